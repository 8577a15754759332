"""Published reference rows: complete, numeric, each once, and each marked by how it was traced."""

import csv
from pathlib import Path

import pytest

FILE = Path(__file__).parent.parent / "results" / "reference" / "published.csv"
SOURCE_COLUMNS = ["source_authors", "source_title", "year", "table", "mark"]
COLUMNS = ["dataset", "model", "metric", "relation", "value", "standard_error", "unit", "protocol", *SOURCE_COLUMNS]
REQUIRED = ("dataset", "model", "metric", "relation", "value", "unit", "protocol", "mark")
UNITS = {
    "parzen": "nats",
    "kde": "nats",
    "ais": "nats",
    "iwae_bound": "nats",
    "log_likelihood": "nats",
    "negative_log_likelihood": "nats",
    "bits_per_dim": "bits per dimension",
}


@pytest.fixture(scope="module")
def rows():
    with FILE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        assert reader.fieldnames == COLUMNS
        return list(reader)


def test_every_row_has_every_column_and_what_is_required(rows):
    for row in rows:
        assert set(row) == set(COLUMNS) and None not in row.values()
        assert all(row[column] for column in REQUIRED)
        assert all(value == value.strip() for value in row.values())


def test_no_row_is_there_twice(rows):
    keys = [(row["dataset"], row["model"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys) == 45


def test_numbers_are_numbers(rows):
    for row in rows:
        float(row["value"])
        assert row["standard_error"] == "" or float(row["standard_error"]) > 0
        assert row["year"] == "" or 1990 <= int(row["year"]) <= 2030


def test_marks_relations_and_units_are_known(rows):
    """S: read in the primary text or code; S2: quoted by a second source. <= and >= are bounds as published."""
    for row in rows:
        assert row["mark"] in {"S", "S2"}
        assert row["relation"] in {"=", "<=", ">="}
        assert row["unit"] == UNITS[row["metric"]]


def test_a_table_is_cited_with_its_authors_and_year(rows):
    for row in rows:
        if row["table"]:
            assert row["source_authors"] and row["year"]


def test_there_is_no_published_result_of_the_cascade(rows):
    assert not any("cascad" in row["model"].lower() or "cdae" in row["model"].lower() for row in rows)
