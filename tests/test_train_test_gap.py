"""Training examples in place of the test split, and the table of what a model gains on them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from cdae.training_examples import on_training_examples
from workflow.scripts.train_test_gap import COLUMNS, train_test_gap

from cdae import checkpoint
from cdae.data import EvaluationSet, TrainingSet, load_evaluation_set, prepare
from cdae.datasets.registry import loader
from tests.helpers import mutated, seeded
from workflow.scripts import evaluate
from workflow.scripts import train_test_gap as module
from workflow.scripts.evaluate import Evaluation

LEVELS = TrainingSet(torch.arange(60, dtype=torch.uint8).reshape(30, 2), 256, unit_interval=True)
ESTIMATORS = {
    "lower_bound": {"n_draws": 2}, "importance_weighted": {"n_importance_samples": 2, "n_points": 5},
    "parzen": {"n_samples": 20}, "exact": {},
}  # fmt: skip
OPTIONS = {
    "control-gaussian": {"kind": "control-gaussian", "covariance": "diagonal"},
    "control-training-samples": {"kind": "control-training-samples"},
    "vae": {"kind": "vae", "latent_dim": 2, "hidden_sizes": [4], "training": {}},
}


def data_with(training: TrainingSet) -> EvaluationSet:
    test = torch.zeros(3, 2)
    return EvaluationSet(test, test, test, torch.zeros(3), 1.0, training)


def test_examples_are_distinct_random_training_examples_within_their_levels():
    data = on_training_examples(data_with(LEVELS), 12, generator=seeded(0))
    rows = [tuple(row) for row in (data.test * 256).floor().tolist()]
    assert len(set(rows)) == 12 and set(rows) <= {tuple(map(float, row)) for row in LEVELS.values.tolist()}
    assert rows != sorted(rows) and data.log_density is None
    fraction = data.test * 256 - (data.test * 256).floor()
    assert 0.2 < fraction.mean() < 0.8 and len(fraction.unique()) > 12  # dequantized afresh
    torch.testing.assert_close(data.test_pixels * 255, (data.test * 256).floor())


def test_examples_follow_their_generator_and_are_all_where_there_are_fewer():
    one, same, other = (on_training_examples(data_with(LEVELS), 12, generator=seeded(s)).test for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    values = torch.randn(8, 2, generator=seeded(2))
    everything = on_training_examples(data_with(TrainingSet(values)), 1_000, generator=seeded(0)).test
    assert sorted(everything.tolist()) == sorted(values.tolist())
    with pytest.raises(ValueError, match="n_points: got 0, expected at least 1"):
        on_training_examples(data_with(LEVELS), 0, generator=seeded(0))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    prepare(loader("digits")(), "digits", path)
    return str(path)


def evaluated(kind: str, digits: str, folder, *, model: str = "m", seed: int = 0) -> Evaluation:
    identity = {"base_seed": 1, "dataset": "digits", "model": model, "family": model, "seed": seed}
    evaluation = Evaluation({**identity, "options": OPTIONS[kind], "estimators": ESTIMATORS}, digits)
    fitted = evaluation.build()
    if kind == "control-gaussian":
        fitted.fit_closed_form(evaluation.data.training, generator=seeded(0))
    checkpoint.save(fitted, folder / "weights")
    evaluation.run(folder / "weights")
    return evaluation


def test_an_evaluation_knows_the_exact_value_on_training_examples(digits, tmp_path, monkeypatch):
    """Of the very examples that every model of the data set shares, against the density computed here."""
    monkeypatch.setattr(evaluate, "N_TRAINING_EXAMPLES", 200)
    evaluation = evaluated("control-gaussian", digits, tmp_path)
    ((name, found),) = evaluation.record()["training_examples"].items()
    generator = evaluate.training_examples_generator({**evaluation.config, "model": "another", "seed": 7})
    x = on_training_examples(load_evaluation_set(digits), 200, generator=generator).test
    model = evaluation.build()
    model.fit_closed_form(evaluation.data.training, generator=seeded(0))
    values = model.log_prob(x).numpy()
    assert name == "exact" and found["n_points"] == 200
    assert found["mean_nats"] == pytest.approx(values.mean(), rel=1e-12)
    assert found["standard_error_nats"] == pytest.approx(values.std(ddof=1) / np.sqrt(200), rel=1e-12)
    json.dumps(evaluation.record(), allow_nan=False)


def test_models_without_a_bound_or_a_density_have_no_gap(digits, tmp_path):
    assert evaluated("control-training-samples", digits, tmp_path).record()["training_examples"] == {}
    assert set(evaluated("vae", digits, tmp_path).record()["training_examples"]) == {"lower_bound"}


def test_training_examples_change_no_other_number(digits, tmp_path, monkeypatch):
    with_them = evaluated("vae", digits, tmp_path)
    monkeypatch.setattr(evaluate, "ON_BOTH_SPLITS", ())
    without = evaluated("vae", digits, tmp_path)
    assert with_them.rows == without.rows and not without.training_examples
    assert all(np.array_equal(with_them.values[name], without.values[name]) for name in without.values)
    assert all(np.array_equal(with_them.pictures[name], without.pictures[name]) for name in without.pictures)


def test_a_density_that_is_not_finite_on_training_examples_is_a_failed_row(digits, tmp_path, monkeypatch):
    real = on_training_examples

    def with_nan(*args, **kwargs):
        data = real(*args, **kwargs)
        return replace(data, test=data.test * torch.nan)

    monkeypatch.setattr("cdae.training_examples.on_training_examples", with_nan)
    evaluation = evaluated("control-gaussian", digits, tmp_path)
    (failed,) = [row for row in evaluation.rows if row["status"] == "failed"]
    assert failed["estimator"] == "exact on training examples" and "values not finite" in failed["reason"]
    assert evaluation.training_examples == {}


RECORD = {
    "dataset": "digits", "model": "cdae", "kind": "cdae", "n_levels": 4, "seed": 0,
    "rows": [
        {"estimator": "lower_bound", "status": "ok", "n_points": 400, "mean_nats": 10.0, "standard_error_nats": 0.4},
        {"estimator": "parzen", "status": "ok", "n_points": 400, "mean_nats": 7.0, "standard_error_nats": 0.1},
    ],
    "training_examples": {"lower_bound": {"n_points": 1000, "mean_nats": 12.5, "standard_error_nats": 0.3}},
}  # fmt: skip


def test_the_gap_is_training_minus_test_with_both_errors():
    (row,) = train_test_gap([RECORD]).to_dict("records")
    assert list(row) == COLUMNS
    assert row["gap_nats"] == 2.5 and row["gap_standard_error_nats"] == pytest.approx(0.5)
    assert (row["n_train_points"], row["n_test_points"]) == (1000, 400)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('train["mean_nats"] - row["mean_nats"]', 'row["mean_nats"] - train["mean_nats"]'),
        ("float(np.hypot(*errors))", "float(sum(errors))"),
        ('"n_test_points": row["n_points"]', '"n_test_points": train["n_points"]'),
        (' and row["status"] == "ok"', ""),
    ],
)
def test_mutants_of_the_table_are_seen(old, new):
    (row,) = train_test_gap([RECORD]).to_dict("records")
    failed = {**RECORD, "rows": [{**RECORD["rows"][0], "status": "failed"}]}
    mutant = mutated(module, old, new)
    assert mutant.train_test_gap([RECORD]).to_dict("records") != [row] or len(mutant.train_test_gap([failed])) == 1


def test_a_cell_that_failed_has_no_gap():
    failed = {**RECORD, "rows": [{"estimator": "lower_bound", "status": "failed", "reason": "training diverged"}]}
    table = train_test_gap([failed, {**RECORD, "training_examples": {}}])
    assert table.empty and list(table.columns) == COLUMNS
