"""The table of certificates: what a subset says of the whole test split, and what is kept of failures."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.workflow.records import BOUND, CELL, evaluation_record
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.record import EvaluationRow, Identity
from workflow.tables.cells import Certified, Evaluated
from workflow.tables.certificates import COLUMNS, certificates, own_bounds
from workflow.tables.tightest import HALVES, tightest

IDENTITY = Identity(**CELL)
ROW = CertificateRow(
    estimator="annealed", variant="guided", n_importance_samples=1, n_points=40, gap_nats=4.0,
    gap_standard_error_nats=0.5, converged=True, n_simulated=40, n_distributions=1600, n_checked=10, n_repeats=4,
    repeats_add_nats=0.5, repeats_add_standard_error_nats=0.1,
)  # fmt: skip


def table_of(values, indices, bound, rows=(ROW,), n_intensity_levels=256, simulated=None, **others):
    kept = {"annealed/guided/values": values, "annealed/guided/indices": indices} | others
    if simulated is not None:
        kept |= dict(zip(("annealed/guided/lower", "annealed/guided/upper"), map(np.array, simulated), strict=True))
    known = {"dim": 784, "n_intensity_levels": n_intensity_levels, "config_sha256": "a", "code_sha256": "b"}
    record = CertificationRecord(identity=IDENTITY, rows=list(rows), **known)
    return certificates([Certified(record, kept)], {IDENTITY: bound} if bound is not None else {})


def test_of_few_points_the_whole_split_is_the_bound_on_it_plus_the_mean_excess_on_the_subset():
    bound, indices = np.array([1.0, 2.0, 3.0, 10.0]), np.array([0, 3])
    (row,) = table_of(np.array([4.0, 15.0]), indices, bound).to_dict("records")
    assert list(row) == COLUMNS and row["claim"] == "stochastic lower bound" and row["n_distributions"] == 1600
    assert (row["n_checked"], row["n_repeats"], row["repeats_add_nats"]) == (10, 4, 0.5)
    assert (row["config_sha256"], row["code_sha256"]) == ("a", "b")
    assert row["own_bound_nats"] == 5.5 and row["over_own_bound_nats"] == 4.0
    assert row["over_own_bound_standard_error_nats"] == pytest.approx(1.0)
    assert row["test_nats"] == 4.0 + 4.0 and row["own_bound_slope"] == 1.0


def test_the_whole_split_is_predicted_with_a_fitted_slope_and_flagged_where_it_lies_beyond_the_subset():
    """The columns of the subset stay those of the subset."""
    bound, indices = np.concatenate([np.linspace(-1.0, 1.0, 80), np.full(20, -9.0)]), np.arange(0, 80, 5)
    values = 7.0 + 0.5 * bound[indices]
    (row,) = table_of(values, indices, bound).to_dict("records")
    assert row["own_bound_slope"] == pytest.approx(0.5) and row["test_nats"] == pytest.approx(7.0 + 0.5 * bound.mean())
    assert row["extrapolates"] is True
    assert row["own_bound_nats"] == pytest.approx(bound[indices].mean())
    assert row["over_own_bound_nats"] == pytest.approx((values - bound[indices]).mean())
    (row,) = table_of(values, indices, bound[:80]).to_dict("records")
    assert row["extrapolates"] is False


def test_gaps_of_two_halves_stand_beside_that_of_all_simulated_points():
    row = table_of(np.zeros(2), np.array([0, 1]), np.zeros(3), simulated=([0.0] * 5, [1.0, 4.0, 2.0, 6.0, 6.0]))
    (row,) = row.to_dict("records")
    assert row["gap_nats"] == 4.0 and row["gap_standard_error_nats"] == 0.5
    expected = [3.0, np.sqrt(7.0 / 3.0), 5.0, 1.0]
    assert [row[name] for name in HALVES] == pytest.approx(expected)


def test_its_standard_error_is_the_spread_over_random_subsets_and_test_sets():
    """Against simulation: excess and bound correlate, and the subset lies within the test set."""
    rng = np.random.default_rng(0)
    found, errors = [], []
    for _ in range(400):
        bound = rng.normal(0.0, 3.0, 200)
        excess = 5.0 - 0.5 * bound + rng.normal(0.0, 1.0, 200)
        indices = rng.permutation(200)[:40]
        (row,) = table_of((bound + excess)[indices], indices, bound).to_dict("records")
        found.append(row["test_nats"])
        errors.append(row["test_standard_error_nats"])
    assert np.mean(found) == pytest.approx(5.0, abs=5.0 * np.std(found) / 20.0)
    assert np.std(found) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.15)


def test_without_the_models_own_bound_the_whole_split_has_the_mean_of_the_subset():
    """A decoder alone has none, and stands beside the others all the same."""
    table = table_of(np.array([4.0, 15.0]), np.array([0, 3]), None, simulated=([0.0] * 4, [1.0, 4.0, 2.0, 6.0]))
    (row,) = table.to_dict("records")
    assert row["test_nats"] == 9.5 and row["test_standard_error_nats"] == pytest.approx(5.5) and row["gap_nats"] == 4.0
    assert pd.isna(row["own_bound_nats"]) and pd.isna(row["own_bound_slope"]) and not row["extrapolates"]
    assert tightest(table)["test_nats"].tolist() == [9.5]
    (row,) = table_of(np.array([4.0]), np.array([0]), None).to_dict("records")
    assert row["test_nats"] == 4.0 and pd.isna(row["test_standard_error_nats"])


@pytest.mark.parametrize("estimator", ["annealed", "all"])
def test_a_failed_row_keeps_its_reason(estimator):
    failed = CertificateRow(estimator=estimator, variant="guided", status="failed", reason="divergence")
    table = table_of(np.zeros(2), np.array([0, 1]), None if estimator == "all" else np.zeros(3), [failed])
    (row,) = table.to_dict("records")
    assert row["claim"] == "failed" and row["reason"] == "divergence" and pd.isna(row["gap_nats"])
    assert tightest(table).empty


def test_own_bounds_are_those_of_the_model_and_not_of_others_made_of_it():
    markov = EvaluationRow(estimator="markov_bound", model_suffix="-markov", n_points=2, mean_nats=99.0)
    values = {"lower_bound/": np.array([1.0, 2.0]), "markov_bound/": np.array([99.0, 99.0])}
    found = own_bounds([Evaluated(evaluation_record(BOUND, markov), values)])
    assert list(found) == [IDENTITY] and found[IDENTITY].tolist() == [1.0, 2.0]
    failed = EvaluationRow(estimator="lower_bound", status="failed", reason="no")
    assert own_bounds([Evaluated(evaluation_record(failed), {})]) == {}


def test_what_is_claimed_depends_on_the_data_on_the_repeats_and_on_the_other_rows():
    """A gap of 1.7 + 2 x 0.5 nats is small for images with levels; then another row is higher by 3 nats, or 2."""
    small = replace(ROW, gap_nats=1.7)
    other = CertificateRow(estimator="importance_weighted", variant="prior", n_importance_samples=9, converged=False)
    values, points = np.array([4.0, 5.0, 6.0]), np.arange(3)

    def claims(**changes):
        return table_of(values, points, None, rows=(small, other), **changes)["claim"].tolist()

    checked, low = "gap certified on simulated data, repeats agree on test points", "bound, not converged"
    key = "importance_weighted/prior"
    assert claims() == [checked, low]
    assert claims(n_intensity_levels=None) == ["stochastic lower bound", low]
    assert claims(**{f"{key}/values": values + 2.0, f"{key}/indices": points}) == [checked, low]
    assert claims(**{f"{key}/values": values + 3.0, f"{key}/indices": points}) == [low, low]
