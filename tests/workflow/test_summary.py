"""The long table and the summary over seeds: means, errors, claims, and what is best."""

import numpy as np
import pandas as pd
import pytest

from cdae.units import bits_per_dim
from tests.workflow.records import CELL, evaluation_record, failed_summary_row, summary_row, summary_table
from workflow.grid.record import EvaluationRow
from workflow.tables.cells import Evaluated
from workflow.tables.log_likelihood import COLUMNS, log_likelihood, per_example_values
from workflow.tables.summary import _exceeds, main_rows, summarize


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


def several_seeds(shifts: dict[str, list[float]], spread=0.1) -> list[Evaluated]:
    """A lower bound of every model and seed, about these means, with a spread over 50 points."""
    return [
        cell([("lower_bound", {}, spread * noise() + shift)], model=model, seed=seed)
        for model, seeds in shifts.items()
        for seed, shift in enumerate(seeds)
    ]


@pytest.mark.parametrize(("difference", "best"), [(1.0, True), (0.2, False)])
def test_best_is_what_surely_exceeds_every_other(difference, best):
    """The two models' values are paired up to independent noise, whose standard error is 0.1 x sqrt(2)."""
    rng = np.random.default_rng(1)
    worse, better = (noise(50) * 30.0 + rng.standard_normal(50) * 0.7 for _ in range(2))
    better += worse.mean() - better.mean() + difference
    values = {"a": worse, "b": better}
    cells = [
        cell([("lower_bound", {}, values[m] + s)], model=m, seed=i) for m in values for i, s in enumerate((0, 1e-3))
    ]
    assert summarized(*cells)["best"].tolist() == [False, best]


@pytest.mark.parametrize(
    ("other", "best"), [([9.0, 1.0], False), ([9.0, 8.0], False), ([9.0, 8.99], True), ([9.0, 8.5, 9.5], True)]
)
def test_the_spread_between_seeds_and_their_small_number_count_in_what_is_best(other, best):
    """Two seeds that differ by 1 tell hardly more than that their mean is uncertain by 6."""
    assert summarized(*several_seeds({"a": [5.0, 5.01], "b": other}))["best"].tolist() == [False, best]


@pytest.mark.parametrize(
    "shifts", [{"a": [0.0], "b": [99.0]}, {"a": [0.0, 0.01], "b": [99.0]}, {"a": [0], "b": [9, 9.01]}]
)
def test_a_single_seed_gives_no_mark_and_takes_part_in_none(shifts):
    assert not summarized(*several_seeds(shifts))["best"].any()


def test_numbers_without_any_spread_are_compared_as_they_are():
    assert summarized(*several_seeds({"a": [1.0, 1.0], "b": [2.0, 2.0]}, spread=0.0))["best"].tolist() == [False, True]


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("seed_std", [0.05, 0.3, 3.0])
def test_of_equal_models_one_is_marked_in_at_most_a_tenth_of_the_tables(n_seeds, seed_std):
    """Two models, whose seeds differ by less than the noise between points, by as much, and by more."""
    rng, n_tables = np.random.default_rng(n_seeds), 1_000

    def values() -> np.ndarray:
        return seed_std * rng.standard_normal((n_seeds, 1)) + 0.5 * rng.standard_normal((n_seeds, 20))

    pairs = [(values(), values()) for _ in range(n_tables)]
    n_marked = sum(_exceeds(a, b) or _exceeds(b, a) for a, b in pairs)
    assert 0 < n_marked <= n_tables / 10


@pytest.mark.parametrize("n_seeds", [2, 5])
def test_a_model_that_is_better_by_far_is_marked(n_seeds):
    rng = np.random.default_rng(0)
    equal, better = (rng.standard_normal((n_seeds, 1)) + rng.standard_normal((n_seeds, 20)) for _ in range(2))
    assert _exceeds(better + 60.0, equal) and not _exceeds(equal, better + 60.0)


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
            seed=seed,
        )
        for model, mean in (("a", 1.0), ("b", 2.0))
        for seed in (0, 1)
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
