"""The tests of `cdae.computing`."""
