"""What a pilot promised beside what the models have."""

import pandas as pd

from tests.workflow.records import BOUND, evaluation_record
from workflow.grid.record import FAILED, EvaluationRecord, EvaluationRow, SeenExamples
from workflow.tables.predicted_bounds import predicted_bounds

PROMISE = {"train": 12.0, "validation": 11.0}


def test_a_promise_stands_beside_the_bounds_and_models_without_one_have_no_row():
    seen = {"lower_bound": SeenExamples(1_000, 10.5, 0.25)}
    chosen = evaluation_record(BOUND, predicted_nats=PROMISE, seen_examples=seen)
    found = predicted_bounds([evaluation_record(BOUND), EvaluationRecord.from_json(chosen.to_json())])
    numbers = found.drop(columns=["dataset", "model", "kind", "n_levels", "seed"])
    assert numbers.values.tolist() == [[12.0, 10.5, 0.25, 11.0, 10.0, 0.4]]


def test_a_bound_that_failed_is_missing():
    failed = EvaluationRow(estimator="lower_bound", status=FAILED, reason="divergence")
    found = predicted_bounds([evaluation_record(failed, predicted_nats=PROMISE)])
    assert found["predicted_train_nats"].tolist() == [12.0]
    assert found[["train_nats", "test_nats"]].isna().all(axis=None) and isinstance(found, pd.DataFrame)
