"""Tests of `workflow`, in its own order: the grid, the jobs, the tables, the figures, and the pipeline as a whole."""
