"""The test suite: laid out as the source is, with exact answers in `oracles`."""
