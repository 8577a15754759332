"""The figures, one a file, each a function from a `Material` to a matplotlib figure."""
