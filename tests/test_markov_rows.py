"""The Markov bound in the tables: rows of another model, which change nothing in those of the cascade."""

import numpy as np
import pandas as pd
import pytest
import torch
from workflow.scripts.readable import sections
from workflow.scripts.summary import summarize
from workflow.scripts.train_test_gap import train_test_gap

from cdae import checkpoint
from cdae.data import EvaluationSet, TrainingSet, prepare
from cdae.datasets.registry import loader
from cdae.estimators.catalogue import ESTIMATORS
from cdae.estimators.markov import markov_bound
from tests.helpers import linear_cascade, seeded
from tests.test_readable import CERTIFICATES, CURVE, GAPS, row
from workflow.scripts.evaluate import Evaluation
from workflow.scripts.tabulate import bound_terms, diagnostics, long_form, own_bounds, per_example_values

OPTIONS = {
    "kind": "cdae", "n_levels": 3, "conditioned": False, "schedule": "geometric", "first_std": 0.25, "last_std": 4.0,
    "loss": "shrunk", "hidden_sizes": [4], "training": {},
}  # fmt: skip
SETTINGS = {
    "lower_bound": {"n_draws": 3}, "markov_bound": {"n_draws": 3}, "parzen": {"n_samples": 20}, "exact": {},
    "importance_weighted": {"n_importance_samples": 2, "n_points": 5},
}  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    prepare(loader("digits")(), "digits", path)
    return str(path)


def evaluated(digits, folder, settings=SETTINGS) -> Evaluation:
    identity = {"base_seed": 1, "dataset": "digits", "model": "mine-k3", "family": "mine", "seed": 0}
    evaluation = Evaluation({**identity, "options": OPTIONS, "estimators": settings}, digits)
    checkpoint.save(evaluation.build(), folder / "weights")
    evaluation.run(folder / "weights")
    return evaluation


def test_the_estimator_averages_draws_of_the_bound():
    """The very draws from the same generator, chunk by chunk, with the mean of every term."""
    model, _ = linear_cascade(0, dim=3, n_levels=3)
    x = torch.randn(7, 3, generator=seeded(0), dtype=torch.float64)
    data = EvaluationSet(x, x, x, None, 1.0, TrainingSet(x))
    (result,) = ESTIMATORS["markov_bound"][1](model, data, {"n_draws": 4}, generator=seeded(3))
    generator = seeded(3)
    draws = [markov_bound(model, x, generator=generator) for _ in range(4)]
    torch.testing.assert_close(result.values, torch.stack([d.total for d in draws]).mean(0))
    terms = result.diagnostics["mean_terms"]
    assert list(terms) == ["reconstruction", "prior_kl", "level_kl_1", "level_kl_2"]


def test_its_rows_are_of_a_model_of_their_own_in_every_table(digits, tmp_path):
    record = evaluated(digits, tmp_path).record() | {"config_sha256": "", "code_sha256": ""}
    table = long_form([record])
    of_markov = table["estimator"] == "markov_bound"
    assert set(table.loc[of_markov, "model"]) == {"mine-markov"} and set(table.loc[~of_markov, "model"]) == {"mine"}
    assert (table["kind"] == "cdae").all() and table["bits_per_dim"][of_markov].notna().all()
    assert bound_terms([record])["model"].value_counts().to_dict() == {"mine": 4, "mine-markov": 4}
    assert set(diagnostics([record])["model"]) == {"mine"}
    gaps = train_test_gap([record]).set_index("model")
    assert gaps["estimator"].to_dict() == {"mine": "lower_bound", "mine-markov": "markov_bound"}


def test_it_changes_no_other_number(digits, tmp_path):
    with_it = evaluated(digits, tmp_path)
    without = evaluated(digits, tmp_path, {name: s for name, s in SETTINGS.items() if name != "markov_bound"})
    assert [row for row in with_it.rows if row["estimator"] != "markov_bound"] == without.rows
    assert all(np.array_equal(with_it.values[name], without.values[name]) for name in without.values)
    assert with_it.levels == without.levels


def test_a_failed_one_is_a_failure_of_its_own_model(digits, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ArithmeticError("no")

    monkeypatch.setitem(ESTIMATORS, "markov_bound", (ESTIMATORS["markov_bound"][0], broken))
    rows = evaluated(digits, tmp_path).rows
    assert [r["model"] for r in rows if r["estimator"] == "markov_bound"] == ["mine-markov"]
    failed = Evaluation(evaluated(digits, tmp_path).config, digits)
    failed.fail_all("training diverged")
    assert [r.get("model", "mine") for r in failed.rows] == ["mine", "mine-markov", "mine", "mine"]


def test_it_is_neither_best_nor_a_bound_of_the_cascade():
    """Far above every other row, yet without a mark, and no row of others loses its own."""
    long = long_form(
        [
            {
                "dataset": "d", "model": model, "kind": "cdae", "n_levels": 3, "seed": 0, "n_intensity_levels": None,
                "rows": [
                    {"estimator": "lower_bound", "variant": "", "status": "ok", "mean_nats": mean},
                    {"estimator": "markov_bound", "variant": "", "status": "ok", "mean_nats": 99.0,
                     "model": f"{model}-markov"},
                ],
            }
            for model, mean in (("a", 1.0), ("b", 2.0))
        ]
    )  # fmt: skip
    noise = np.random.default_rng(0).standard_normal(50)
    identity = [("a", "lower_bound", 1.0), ("a-markov", "markov_bound", 99.0)]
    identity += [("b", "lower_bound", 2.0), ("b-markov", "markov_bound", 199.0)]
    values = {("d", m, "cdae", 3, e, "", None, 0): mean + 0.01 * noise for m, e, mean in identity}
    summary = summarize(long, values).set_index("model")
    assert summary["best"].to_dict() == {"a": False, "a-markov": False, "b": True, "b-markov": False}
    assert set(own_bounds(values)) == {("d", "a", 3, 0), ("d", "b", 3, 0)}


def test_other_models_stand_in_a_table_of_their_own():
    summary = pd.DataFrame(
        [row(model=m, estimator=e, n_levels=k) for k in (2, 4)
         for m, e in (("cdae", "lower_bound"), ("cdae-markov", "markov_bound"))]
    )  # fmt: skip
    own, other = sections(summary, CURVE, CERTIFICATES, GAPS)
    assert own.table.columns.tolist() == other.table.columns.tolist() == ["Model", "Lower bound"]
    assert own.table["Model"].tolist() == ["cdae, k = 2", "cdae, k = 4"]
    assert other.table["Model"].tolist() == ["cdae-markov, k = 2", "cdae-markov, k = 4"]


def test_values_are_found_under_the_models_own_name(digits, tmp_path):
    from cdae.computing.arrays import write_npz

    evaluation = evaluated(digits, tmp_path)
    write_npz(tmp_path / "record.npz", evaluation.values)
    values = per_example_values([str(tmp_path / "record.json")], [evaluation.record()])
    assert {(key[1], key[4]) for key in values if "bound" in key[4]} == {
        ("mine", "lower_bound"), ("mine-markov", "markov_bound")
    }  # fmt: skip
