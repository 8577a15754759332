"""The table of what a model gains on training examples."""

from dataclasses import replace

import pytest

from tests.helpers import mutated
from tests.workflow.records import BOUND, evaluation_record
from workflow.grid.record import EvaluationRow, SeenExamples
from workflow.tables import train_test_gap as module
from workflow.tables.train_test_gap import COLUMNS, train_test_gap

PARZEN = EvaluationRow(estimator="parzen", n_points=400, mean_nats=7.0, standard_error_nats=0.1)
SEEN = {"lower_bound": SeenExamples(n_points=1_000, mean_nats=12.5, standard_error_nats=0.3)}
RECORD = evaluation_record(BOUND, PARZEN, seen_examples=SEEN)
FAILED = evaluation_record(replace(BOUND, status="failed", reason="above the exact value"), seen_examples=SEEN)


def test_the_gap_is_training_minus_test_with_both_errors():
    (row,) = train_test_gap([RECORD]).to_dict("records")
    assert list(row) == COLUMNS and row["estimator"] == "lower_bound"
    assert row["gap_nats"] == 2.5 and row["gap_standard_error_nats"] == pytest.approx(0.5)
    assert (row["n_train_points"], row["n_test_points"]) == (1_000, 400)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seen.mean_nats - row.mean_nats", "row.mean_nats - seen.mean_nats"),
        ("float(np.hypot(seen.standard_error_nats, row.standard_error_nats))", "row.standard_error_nats"),
        ('"n_test_points": row.n_points', '"n_test_points": seen.n_points'),
        (' and row.status == "ok"', ""),
    ],
)
def test_mutants_of_the_table_are_seen(old, new):
    (row,) = train_test_gap([RECORD]).to_dict("records")
    mutant = mutated(module, old, new)
    assert mutant.train_test_gap([RECORD]).to_dict("records") != [row] or len(mutant.train_test_gap([FAILED])) == 1


def test_a_cell_that_failed_has_no_gap():
    diverged = evaluation_record(EvaluationRow(estimator="lower_bound", status="failed", reason="diverged"))
    table = train_test_gap([FAILED, diverged, evaluation_record(BOUND)])
    assert table.empty and list(table.columns) == COLUMNS
