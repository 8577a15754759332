"""The report: its pages, made of finished tables and figures, and the texts beside them."""
