"""Tests of `cdae.datasets`."""
