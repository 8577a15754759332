"""Exact answers in NumPy and SciPy float64, written independently of the library and without importing it."""
