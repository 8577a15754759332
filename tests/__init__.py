"""The test suite: one file per library module, and exact answers in `oracles`."""
