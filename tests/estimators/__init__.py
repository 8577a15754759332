"""The tests of `cdae.estimators`: one file per module, and a contract that all estimators keep."""
