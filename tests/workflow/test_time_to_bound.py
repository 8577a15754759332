"""CPU time to a bound: shares of a job that do not count what it costs besides, and the first snapshot to reach it."""

import pandas as pd
import pytest

from tests.helpers import mutated
from tests.workflow.conftest import ROOT
from tests.workflow.records import CELL, snapshot, snapshot_table
from workflow.grid import costs
from workflow.grid.costs import Cost
from workflow.scripts import compare
from workflow.tables import log_likelihood, time_to_bound
from workflow.tables.identity import read_csv, table

REFERENCE = ROOT / "results/reference"
VAE = {"model": "vae", "kind": "vae", "n_levels": None}
CONTROLS = [
    {"model": name, "kind": "control", "n_levels": None, "seed": seed} for name in ("quick", "slow") for seed in (0, 1)
]
SECONDS = {
    ("cdae-k4", 0): 52.0, ("cdae-k4", 1): 42.0, ("vae", 0): 22.0,
    ("quick", 0): 3.0, ("quick", 1): 1.0, ("slow", 0): 9.0, ("slow", 1): 1.0,
}  # fmt: skip


def known_costs(dataset="mnist"):
    """Of training, and of other jobs of the same cells, which do not count."""
    found = {("probe", "", "", ""): Cost(0.1, float("nan"))}
    for (model, seed), seconds in SECONDS.items():
        found[("train", dataset, model, str(seed))] = Cost(seconds, 1.0)
        found[("evaluate", dataset, model, str(seed))] = Cost(1e6, 1.0)
    return found


def long(rows=CONTROLS, **changes):
    return table([CELL | row | changes for row in [{}, VAE, *rows]], log_likelihood.COLUMNS)


def bounds(**changes):
    """Two seeds of a cascade at 50, 100 and 200 updates, and one of a VAE at 50 and 200."""
    rows = [snapshot(n_updates=n, seed=s, mean_nats=nats + s, standard_error_nats=1.0 + s)
            for s in (0, 1) for n, nats in ((50, -5.0), (100, 60.0), (200, 90.0))]  # fmt: skip
    rows += [
        snapshot(**VAE, n_updates=n, mean_nats=nats, standard_error_nats=2.0) for n, nats in ((50, 10.0), (200, 60.5))
    ]
    rows += [snapshot(n_updates=200, estimator="importance_weighted", mean_nats=1e3),
             snapshot(n_updates=20, status="failed", mean_nats=None)]  # fmt: skip
    return snapshot_table(*[row | changes for row in rows])


def made(module=time_to_bound, snapshots=None, controls=None):
    found = module.time_to_bound(
        bounds() if snapshots is None else snapshots, long() if controls is None else controls, known_costs()
    )
    columns = ["model", "n_updates", "n_seeds", "cpu_seconds", "mean_nats", "standard_error_nats", "first_to_reach"]
    return found[columns].to_numpy().tolist()


EXPECTED = [
    # a control takes 2 seconds, so 1,000 updates would take 50 and 40 of a cascade's 52 and 42
    ["cdae", 50, 2, 0.25 * 45.0, -4.5, 1.5, False],
    ["cdae", 100, 2, 0.5 * 45.0, 60.5, 1.5, True],
    ["cdae", 200, 2, 45.0, 90.5, 1.5, False],
    ["vae", 50, 1, 0.25 * 20.0, 10.0, 2.0, False],
    ["vae", 200, 1, 20.0, 60.5, 2.0, True],
]


def test_times_are_shares_of_training_without_what_a_job_costs_that_trains_nothing():
    """And the common bound is that of the model whose end is lowest; a bound equal to it has reached it."""
    assert made() == EXPECTED
    found = time_to_bound.time_to_bound(bounds(), long(), known_costs())
    assert set(found["common_bound_nats"]) == {60.5}
    assert found["cpu_seconds_standard_error"].iloc[:3].tolist() == [1.25, 2.5, 5.0]
    assert found["seed_std_nats"].iloc[0] == pytest.approx(0.5**0.5) and pd.isna(found["seed_std_nats"].iloc[-1])


def test_data_sets_have_bounds_and_times_of_their_own():
    both = pd.concat([bounds(), bounds(dataset="other")])
    other = {job: Cost(2.0 * cost.cpu_seconds, 1.0) for job, cost in known_costs("other").items()}
    names = pd.concat([long(), long(dataset="other")])
    found = time_to_bound.time_to_bound(both, names, known_costs() | other)
    assert found["cpu_seconds"].tolist() == [row[3] for row in EXPECTED] + [2.0 * row[3] for row in EXPECTED]
    assert found["first_to_reach"].tolist() == 2 * [row[-1] for row in EXPECTED]


def test_without_controls_or_jobs_times_are_unknown_and_bounds_are_not():
    for names, jobs in ((long([]), known_costs()), (long(), {})):
        found = time_to_bound.time_to_bound(bounds(), names, jobs)
        assert found["cpu_seconds"].isna().all() and found["mean_nats"].tolist() == [row[4] for row in EXPECTED]


def test_a_run_without_snapshots_has_an_empty_table():
    found = time_to_bound.time_to_bound(snapshot_table(), long(), known_costs())
    assert found.empty and list(found.columns) == time_to_bound.COLUMNS


MUTANTS = {
    "what a job costs besides counts": ('found["seconds"] - found["dataset"].map(idle)', 'found["seconds"]'),
    "the slowest control": ('.groupby("dataset").min()\n    found', '.groupby("dataset").max()\n    found'),
    "the quickest seed of a control": ('["seconds"].mean().groupby', '["seconds"].min().groupby'),
    "jobs of every rule": ('if job[0] == "train"', 'if job[0] != "probe"'),
    "every estimator": ('snapshots["estimator"] == BOUND', 'snapshots["estimator"] != ""'),
    "the highest end": ('.groupby("dataset")["mean_nats"].min()', '.groupby("dataset")["mean_nats"].max()'),
    "the lowest bound on the way": ('drop_duplicates(MODEL, keep="last")', 'drop_duplicates(MODEL, keep="first")'),
    "the last to reach it": (
        "rows[reached].drop_duplicates(MODEL)",
        'rows[reached].drop_duplicates(MODEL, keep="last")',
    ),
    "above it alone": ('rows["mean_nats"] >= rows', 'rows["mean_nats"] > rows'),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert made(mutated(time_to_bound, *MUTANTS[name])) != EXPECTED


@pytest.mark.parametrize("name", ["mnist", "stability"])
def test_the_committed_table_is_made_of_the_committed_ones(name, tmp_path):
    for file in ("snapshots.csv", "log_likelihood.csv", "seconds.csv"):
        (tmp_path / file).write_bytes((REFERENCE / name / file).read_bytes())
    compare.write_times(tmp_path)
    assert (tmp_path / "time_to_bound.csv").read_text() == (REFERENCE / name / "time_to_bound.csv").read_text()
    assert read_csv(tmp_path / "time_to_bound.csv")["cpu_seconds"].gt(0.0).all()
    assert costs.read(tmp_path / "seconds.csv")
