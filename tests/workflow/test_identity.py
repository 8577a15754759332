"""What names a row: names stay text on the way to disk and back, and numbers stay whole where some are missing."""

import pandas as pd
import pytest

from tests.workflow.conftest import ROOT
from workflow.grid.products import TABLES
from workflow.grid.record import EvaluationRow, Identity
from workflow.tables.identity import IDENTITY, columns, label, of_row, read_csv, table, write_csv

NAMES = ["007", "NA", "1e3", "None", "nan", "true", "1_000", " spaced "]
COLUMNS = [*IDENTITY, "estimator", "variant", "n_importance_samples", "mean_nats", "reason"]


def rows():
    return [
        {**columns(Identity(name, name, "cdae", None, 0)), "estimator": "lower_bound", "variant": name, "reason": ""}
        for name in NAMES
    ]


def test_names_that_look_like_numbers_or_like_nothing_stay_text(tmp_path):
    write_csv(tmp_path / "t.csv", table(rows(), COLUMNS))
    read = read_csv(tmp_path / "t.csv")
    for column in ("dataset", "model", "variant"):
        assert read[column].tolist() == NAMES


def test_an_empty_text_is_one_and_a_missing_number_is_missing(tmp_path):
    write_csv(tmp_path / "t.csv", table([row | {"variant": ""} for row in rows()], COLUMNS))
    read = read_csv(tmp_path / "t.csv")
    assert (read["variant"] == "").all() and (read["reason"] == "").all()
    assert read[["n_levels", "n_importance_samples", "mean_nats"]].isna().all(axis=None)


def test_what_is_read_is_what_was_written(tmp_path):
    made = table([row | {"n_levels": k, "mean_nats": k / 3} for k, row in enumerate(rows())], COLUMNS)
    write_csv(tmp_path / "t.csv", made)
    read = read_csv(tmp_path / "t.csv")
    assert read["n_levels"].tolist() == list(range(len(NAMES))) and read["n_levels"].dtype == made["n_levels"].dtype
    pd.testing.assert_frame_equal(read.drop(columns="mean_nats"), made.drop(columns="mean_nats"), check_dtype=False)
    assert read["mean_nats"].to_numpy() == pytest.approx(made["mean_nats"].to_numpy(), rel=1e-9)


def test_whole_numbers_are_written_as_such_where_some_are_missing(tmp_path):
    write_csv(tmp_path / "t.csv", table([{"n_updates": 20, "level": 1}, {"level": 2}], ["n_updates", "level"]))
    assert (tmp_path / "t.csv").read_text() == "n_updates,level\n20,1\n,2\n"
    assert read_csv(tmp_path / "t.csv")["n_updates"].tolist() == [20, pd.NA]


def test_columns_of_numbers_are_such_where_all_are_missing():
    made = table([{"model": "a", "n_levels": None, "mean_nats": None}], ["model", "n_levels", "mean_nats"])
    assert made["mean_nats"].dtype == float and made["n_levels"].dtype == "Int64"
    assert [made[name].dtype for name in made] == [table([], list(made))[name].dtype for name in made]


COMMITTED = [path for path in (ROOT / "results/reference").glob("*/*.csv") if path.name in TABLES]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_committed_tables_are_read_and_written_as_they_are(path, tmp_path):
    write_csv(tmp_path / "t.csv", read_csv(path))
    assert (tmp_path / "t.csv").read_bytes() == path.read_bytes()


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.csv: no such table; finish the run"):
        read_csv(tmp_path / "nowhere.csv")


def test_an_estimate_of_another_model_has_that_models_name():
    cell = Identity("digits", "cdae", "cdae", 3, 0)
    assert of_row(cell, EvaluationRow(estimator="lower_bound")) == cell
    other = of_row(cell, EvaluationRow(estimator="markov_bound", model_suffix="-markov"))
    assert other == Identity("digits", "cdae-markov", "cdae", 3, 0)


def test_a_label_has_the_number_of_levels_where_there_is_one():
    made = table([rows()[0], rows()[0] | {"n_levels": 12}], COLUMNS)
    assert [label(row) for _, row in made.iterrows()] == ["007", "007, k = 12"]
