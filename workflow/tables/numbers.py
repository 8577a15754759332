"""Numbers as pages write them: a mean with its error, and as many decimals as the error needs."""

import math

import pandas as pd

ROUNDING = 1e-12  # of a mean: an error of this size is one of arithmetic


def estimate(mean: float, standard_error: float) -> str:
    """mean ± standard error, with as many decimals; the mean alone where it has no error but that of rounding."""
    if standard_error <= ROUNDING * abs(mean):
        return f"{mean:z.2f}"
    text = error(standard_error)
    decimals = len(text.partition(".")[2])
    return f"{mean:z.{decimals}f} ± {text}"  # z: no minus before 0.00


def error(value: float) -> str:
    """Two decimals, or as many as its first digit needs: an error that is not 0 does not read 0."""
    return f"{value:.2f}" if not 0.0 < value < 0.005 else f"{value:.{math.ceil(-math.log10(value))}f}"


def with_error(row: pd.Series, name: str) -> str:
    """The mean and the error of a row's columns `name`_nats and `name`_standard_error_nats; nothing where unknown."""
    value, standard_error = row[f"{name}_nats"], row[f"{name}_standard_error_nats"]
    return "" if pd.isna(value) else estimate(value, standard_error)


def or_blank(value: float, n_decimals: int = 2) -> str:
    """Two decimals, or as many as asked for; nothing where the value is unknown."""
    return "" if pd.isna(value) else f"{value:z.{n_decimals}f}"


def count_or_blank(n: int) -> str:
    """A whole number; nothing where it is unknown."""
    return "" if pd.isna(n) else str(n)
