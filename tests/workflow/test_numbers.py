"""Numbers as pages write them."""

import pandas as pd
import pytest

from workflow.tables.numbers import error, estimate, or_blank, with_error


@pytest.mark.parametrize(
    ("mean", "standard_error", "expected"),
    [
        (-14.5849, 0.0161, "-14.58 ± 0.02"),
        (-14.5849, 0.005, "-14.58 ± 0.01"),
        (-0.0052, 0.00257, "-0.005 ± 0.003"),
        (1.0, 0.00096, "1.0000 ± 0.0010"),
        (3.0, 0.0, "3.00"),
        (-0.002, 0.03, "0.00 ± 0.03"),
    ],
)
def test_an_error_that_is_not_0_does_not_read_0(mean, standard_error, expected):
    assert estimate(mean, standard_error) == expected
    row = pd.Series({"gap_nats": mean, "gap_standard_error_nats": standard_error})
    assert with_error(row, "gap") == expected


def test_what_is_unknown_is_blank():
    assert with_error(pd.Series({"gap_nats": None, "gap_standard_error_nats": 1.0}), "gap") == ""
    assert (or_blank(float("nan")), or_blank(-0.001), or_blank(2.345)) == ("", "0.00", "2.35")


def test_errors_have_two_decimals_or_as_many_as_their_first_digit_needs():
    assert [error(value) for value in (12.346, 0.0, 0.005, 0.0049, 0.0001)] == [
        "12.35", "0.00", "0.01", "0.005", "0.0001"
    ]  # fmt: skip
