"""The tests of `cdae`, its estimators excepted: one file per module."""
