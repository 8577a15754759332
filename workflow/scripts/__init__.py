"""Entry points of the pipeline, one per rule, and what they share."""
