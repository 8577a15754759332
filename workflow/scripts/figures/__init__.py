"""Figures for a paper: each function takes a `Material` and returns a matplotlib figure."""
