"""Published reference rows: complete, numeric, each once, marked by how they were traced, on a page of their own."""

import csv

import pandas as pd
import pytest

from tests.workflow.conftest import ROOT
from workflow.tables.published import MARKS, METRICS, read, sections

FILE = ROOT / "results" / "reference" / "published.csv"
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
        assert row["mark"] in MARKS and row["metric"] in METRICS
        assert row["relation"] in {"=", "<=", ">="}
        assert row["unit"] == UNITS[row["metric"]]


def test_a_table_is_cited_with_its_authors_and_year(rows):
    for row in rows:
        if row["table"]:
            assert row["source_authors"] and row["year"]


def test_there_is_no_published_result_of_the_cascade(rows):
    assert not any("cascad" in row["model"].lower() or "cdae" in row["model"].lower() for row in rows)


PUBLISHED = pd.DataFrame(
    [
        ("MNIST", "GAN", "parzen", "=", 225.0, 2.0, "10,000 samples", "Goodfellow et al.", 2014.0, "Table 1", "S2"),
        ("MNIST", "Glow", "bits_per_dim", "<=", 1.05, None, "dequantized", None, None, None, "S2"),
        ("TFD", "GAN", "parzen", "=", 2057.0, 26.0, "10,000 samples", "Goodfellow et al.", 2014.0, "Table 1", "S2"),
    ],
    columns=[
        "dataset", "model", "metric", "relation", "value", "standard_error", "protocol", "source_authors", "year",
        "table", "mark",
    ],
)  # fmt: skip


def test_published_figures_stand_with_their_source_and_only_for_their_data():
    (section,) = sections(PUBLISHED, {"mine": "mnist", "MNIST": "npz", "digits": "digits"})
    assert section.title == "mine"
    assert section.table["Model"].tolist() == ["GAN", "Glow"]
    assert section.table["Value"].tolist() == ["225 ± 2", "≤ 1.05"]
    assert section.table["What"].tolist() == ["Parzen", "bits per dimension"]
    assert section.table["Source"].tolist() == ["Goodfellow et al., 2014, Table 1", ""]
    assert set(section.table["Read in"]) == {MARKS["S2"]}


@pytest.mark.parametrize(("loader", "n_rows"), [("binarized_mnist", 4), ("cifar10", 7), ("binarized_digits", 0)])
def test_data_are_known_by_the_names_of_their_loaders(loader, n_rows):
    assert sum(len(section.table) for section in sections(read(FILE), {"mine": loader})) == n_rows


def test_the_committed_file_makes_a_complete_page(rows):
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    made = list(sections(read(FILE), {name: name for name in datasets}))
    assert [section.title for section in made] == datasets
    assert sum(len(section.table) for section in made) == len(rows)
    assert all(isinstance(cell, str) for section in made for cell in section.table.to_numpy().flat)
