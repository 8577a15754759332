"""The tests of `baselines`."""
