"""Every value with an error on the pages of results stands in a row of a committed table, as rounded there."""

import csv
import re
from collections import defaultdict
from functools import cache

import pytest

from tests.test_project import ROOT

PAGES = ("README.md", "docs/schedules.md", "docs/other-models.md", "docs/quality.md", "docs/reading-the-numbers.md")
PAIR = re.compile(r"(-?\d[\d,]*(?:\.\d+)?) ± (\d+(?:\.\d+)?)")


@cache
def numbers():
    """The absolute values of every row of every committed table: a page may turn a difference round."""
    rows = []
    for path in sorted(ROOT.glob("results/reference/*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [[abs(float(entry)) for entry in row if is_number(entry)] for row in csv.reader(file)]
    return rows


def is_number(text):
    return re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) is not None


@cache
def rows_with(n_digits):
    """Of every number with so many digits after the point, the rows that it stands in."""
    found = defaultdict(set)
    for i, row in enumerate(numbers()):
        for value in row:
            found[f"{value:.{n_digits}f}"].add(i)
    return found


def untraced(text):
    """The pairs of value and error that no row of a table has."""
    return [pair[0] for pair in PAIR.finditer(" ".join(text.split())) if not _rows(pair[1]) & _rows(pair[2])]


def _rows(number):
    digits = number.replace(",", "").lstrip("-")
    return rows_with(len(digits.partition(".")[2])).get(digits, set())


@pytest.mark.parametrize("page", PAGES)
def test_every_value_with_an_error_stands_in_a_table(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(PAIR.findall(text)) >= 10 and untraced(text) == []


def test_a_value_beside_another_rows_error_and_a_slip_of_the_pen_are_seen():
    first, *_, last = (row for row in numbers() if len(row) > 30)
    assert untraced(f"{first[5]:.6f} ± {last[7]:.6f}") and untraced("967.14 ± 3.61, 1,234.56 ± 7.89") != []
    text = (ROOT / "docs/schedules.md").read_text(encoding="utf-8")
    value, error = next(pair for pair in PAIR.findall(text) if len(pair[0]) > 4)
    assert untraced(f"{value}7 ± {error}")
