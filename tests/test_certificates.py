"""What may be claimed of an estimate, and what a subset says of the whole test split."""

import numpy as np
import pandas as pd
import pytest
from workflow.scripts.certificates import certificates, claim, tightest

from cdae.computing.arrays import write_npz

ROW = {
    "estimator": "annealed", "variant": "guided", "status": "ok", "reason": "", "n_importance_samples": 1,
    "n_points": 40, "gap_nats": 4.0, "gap_standard_error_nats": 0.5, "converged": True, "n_simulated": 40,
}  # fmt: skip
RECORD = {"dataset": "mnist", "model": "cdae", "kind": "cdae", "n_levels": 4, "seed": 0, "dim": 784}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "certified"),  # 4 + 2 * 0.5 nats are below 7.84
        ({"converged": False}, "certified"),  # whatever the weights say of themselves
        ({"gap_standard_error_nats": 2.0}, "stochastic lower bound"),
        ({"gap_nats": 70.0, "converged": False}, "bound, not converged"),
        ({"status": "failed"}, "failed"),
    ],
)
def test_claims(changes, expected):
    assert claim({**ROW, **changes}, dim=784) == expected


def table_of(tmp_path, values, indices, bound, rows=(ROW,)):
    path = tmp_path / "record.json"
    identity = ("mnist", "cdae", 4, 0)
    write_npz(path.with_suffix(".npz"), {"annealed/guided/values": values, "annealed/guided/indices": indices})
    return certificates([str(path)], [{**RECORD, "rows": list(rows)}], {identity: bound}, {identity: 1600})


def test_the_whole_split_is_the_bound_on_it_plus_the_mean_excess_on_the_subset(tmp_path):
    bound, indices = np.array([1.0, 2.0, 3.0, 10.0]), np.array([0, 3])
    (row,) = table_of(tmp_path, np.array([4.0, 15.0]), indices, bound).to_dict("records")
    assert row["own_bound_nats"] == 5.5 and row["over_own_bound_nats"] == 4.0
    assert row["over_own_bound_standard_error_nats"] == pytest.approx(1.0)
    assert row["test_nats"] == 4.0 + 4.0


def test_its_standard_error_is_the_spread_over_random_subsets_and_test_sets(tmp_path):
    """Against simulation: excess and bound correlate, and the subset lies within the test set."""
    rng = np.random.default_rng(0)
    found, errors = [], []
    for _ in range(400):
        bound = rng.normal(0.0, 3.0, 200)
        excess = 5.0 - 0.5 * bound + rng.normal(0.0, 1.0, 200)
        indices = rng.permutation(200)[:40]
        (row,) = table_of(tmp_path, (bound + excess)[indices], indices, bound).to_dict("records")
        found.append(row["test_nats"])
        errors.append(row["test_standard_error_nats"])
    assert np.mean(found) == pytest.approx(5.0, abs=5.0 * np.std(found) / 20.0)
    assert np.std(found) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.15)


def test_a_failed_row_keeps_its_reason(tmp_path):
    failed = {"estimator": "annealed", "variant": "guided", "status": "failed", "reason": "divergence"}
    (row,) = table_of(tmp_path, np.zeros(2), np.array([0, 1]), np.zeros(3), [failed]).to_dict("records")
    assert row["claim"] == "failed" and row["reason"] == "divergence" and pd.isna(row["gap_nats"])


def test_the_tightest_has_the_surely_smallest_gap():
    names = ["dataset", "model", "n_levels", "seed", "estimator", "test_nats", "gap_nats", "gap_standard_error_nats"]
    rows = [("a", "m", 1, 0, "x", 1.0, 0.1, 5.0), ("a", "m", 1, 0, "y", 2.0, 1.0, 0.1)]
    rows += [("a", "v", None, 0, "z", 3.0, 9.0, 1.0), ("a", "v", None, 0, "f", None, None, None)]
    assert tightest(pd.DataFrame(rows, columns=names))["estimator"].tolist() == ["y", "z"]
