"""The long table and the summary over seeds: means, errors, claims, and what is best."""

import numpy as np
import pandas as pd
import pytest

from cdae.units import bits_per_dim
from tests.workflow.records import CELL, evaluation_record, failed_summary_row, summary_row, summary_table
from workflow.grid.record import EvaluationRow
from workflow.tables.cells import Evaluated
from workflow.tables.log_likelihood import COLUMNS, log_likelihood, per_example_values
from workflow.tables.summary import main_rows, summarize


def noise(n=50):
    return np.random.default_rng(0).standard_normal(n)


def cell(estimates, **changes) -> Evaluated:
    """A cell with these estimates: (estimator, fields of its row, values or None where it failed)."""
    rows, values = [], {}
    for estimator, fields, found in estimates:
        failed = {"status": "failed", "reason": "no"}
        known = failed if found is None else {"n_points": len(found), "mean_nats": found.mean()}
        rows.append(EvaluationRow(estimator=estimator, **known | fields))
        values |= {} if found is None else {rows[-1].key: found}
    return Evaluated(evaluation_record(*rows, cell=changes, config_sha256="a", code_sha256="b"), values)


def summarized(*cells) -> pd.DataFrame:
    return summarize(log_likelihood(list(cells)), per_example_values(list(cells)))


def test_the_long_table_has_a_row_per_estimate_in_the_order_of_the_cells():
    parzen = {"variant": "sampling from noise, 3 steps", "last_step": "sample", "chain_start": "noise"}
    cells = [
        cell([("lower_bound", {}, noise() - 64.0), ("parzen", parzen | {"n_chain_steps": 3}, noise())], model="b"),
        cell([("lower_bound", {}, None)], model="a", n_levels=None),
    ]
    long = log_likelihood(cells)
    assert long.columns.tolist() == COLUMNS and long["model"].tolist() == ["b", "b", "a"]
    assert long["bits_per_dim"][0] == bits_per_dim(cells[0].record.rows[0].mean_nats, dim=64, n_intensity_levels=17)
    assert long["bits_per_dim"][1:].isna().all()
    assert long["claim"].tolist() == ["lower bound", "no bound", "failed"]
    assert long.loc[1, ["last_step", "chain_start", "n_chain_steps"]].tolist() == ["sample", "noise", 3]
    assert long["split"].tolist()[:2] == ["test", "test"] and pd.isna(long["split"][2])
    assert set(long["config_sha256"]) == {"a"} and set(long["code_sha256"]) == {"b"}
    values = per_example_values(cells)
    assert values[1].tolist() == noise().tolist() and values[2] is None


def test_data_without_levels_have_no_bits():
    real = evaluation_record(EvaluationRow(estimator="exact", mean_nats=1.0), n_intensity_levels=None)
    assert log_likelihood([Evaluated(real, {})])["bits_per_dim"].isna().all()


def test_the_mean_is_over_seeds_and_points_with_both_spreads():
    found = [noise() + shift for shift in (0.0, 1.0, 5.0)]
    cells = [cell([("lower_bound", {}, values)], seed=seed) for seed, values in enumerate(found)]
    (row,) = summarized(*cells, cell([("lower_bound", {}, None)], seed=3)).to_dict("records")
    assert (row["n_seeds"], row["n_failed"], row["n_points"]) == (3, 1, 50)
    assert row["mean_nats"] == pytest.approx(noise().mean() + 2.0)
    assert row["median_nats"] == pytest.approx(np.median(noise()) + 2.0)
    assert row["standard_error_nats"] == pytest.approx(noise().std(ddof=1) / np.sqrt(50))
    assert row["seed_std_nats"] == pytest.approx(np.std([0.0, 1.0, 5.0], ddof=1))


def test_the_weakest_claim_of_the_seeds_stands():
    known = {"n_importance_samples": 5}
    cells = [
        cell([("importance_weighted", known | {"converged": converged}, noise())], seed=seed)
        for seed, converged in enumerate((True, False))
    ]
    assert summarized(*cells)["claim"].tolist() == ["bound, not converged"]


def test_a_grid_in_which_everything_failed_has_a_summary_of_failures():
    names = ("lower_bound", "parzen", "pictures of samples")
    summary = summarized(cell([(name, {}, None) for name in names]))
    assert summary["n_seeds"].tolist() == [0, 0, 0] and summary["n_failed"].tolist() == [1, 1, 1]
    assert summary[["mean_nats", "standard_error_nats", "n_points"]].isna().all(axis=None)
    assert summary["best"].tolist() == [False] * 3


@pytest.mark.parametrize(("difference", "best"), [(1.0, True), (0.2, False)])
def test_best_is_what_surely_exceeds_every_other(difference, best):
    """The two models' values are paired up to independent noise, whose standard error is 0.1 x sqrt(2)."""
    rng = np.random.default_rng(1)
    worse, better = (noise(50) * 30.0 + rng.standard_normal(50) * 0.7 for _ in range(2))
    better += worse.mean() - better.mean() + difference
    cells = [cell([("lower_bound", {}, values)], model=m) for m, values in (("a", worse), ("b", better))]
    assert summarized(*cells)["best"].tolist() == [False, best]


def test_the_spread_between_seeds_counts_in_what_is_best():
    found = {"a": (0.0, 0.0), "b": (1.0, 9.0)}
    cells = [
        cell([("lower_bound", {}, noise() * 0.1 + shift)], model=m, seed=seed)
        for m, shifts in found.items()
        for seed, shift in enumerate(shifts)
    ]
    assert summarized(*cells)["best"].tolist() == [False, False]


def test_controls_and_a_model_that_is_alone_are_not_best():
    alone = cell([("lower_bound", {}, noise())])
    control = cell([("lower_bound", {}, noise() - 9.0)], model="gaussian", kind="control", n_levels=None)
    assert summarized(alone, control)["best"].tolist() == [False, False]


def test_the_bound_of_another_model_is_never_best_and_takes_no_mark_away():
    """Far above every other row, yet without a mark, and no row of others loses its own."""
    cells = [
        cell(
            [
                ("lower_bound", {}, mean + 0.01 * noise()),
                ("markov_bound", {"model_suffix": "-markov"}, 99.0 * mean + 0.01 * noise()),
            ],
            model=model,
        )
        for model, mean in (("a", 1.0), ("b", 2.0))
    ]
    best = summarized(*cells).set_index("model")["best"].to_dict()
    assert best == {"a": False, "a-markov": False, "b": True, "b-markov": False}


def test_of_a_chain_the_longest_run_from_noise_is_shown():
    chains = [
        summary_row(
            model=m, estimator="parzen", variant=f"{start} {n}", chain_start=start, n_chain_steps=n, n_levels=None
        )
        for m, longest in (("dae", 9), ("dae-walkback", 30))
        for start in ("data", "noise")
        for n in (1, longest)
    ]
    shown = main_rows(summary_table(summary_row(), failed_summary_row(model="dae", n_levels=None), *chains))
    assert shown["variant"].tolist() == ["", "", "noise 9", "noise 30"]
    assert CELL["model"] == shown["model"].iloc[0]
