"""The tightest bound: which row is chosen, and that its reported gap is unbiased."""

import numpy as np
import pandas as pd
import pytest

from tests.workflow.records import certificate, certificate_table, failed_certificate
from workflow.tables.tightest import HALVES, halves, tightest


def test_the_tightest_has_the_surely_smallest_gap():
    rows = [
        certificate(variant="x", gap_nats=0.1, gap_standard_error_nats=5.0),
        certificate(variant="y", gap_nats=1.0, gap_standard_error_nats=0.1),
        certificate(model="vae", n_levels=None, variant="z", gap_nats=9.0),
        failed_certificate(model="vae", n_levels=None, variant="f"),
    ]
    assert tightest(certificate_table(*rows))["variant"].tolist() == ["y", "z"]


def test_of_no_certificates_none_is_tightest():
    assert tightest(certificate_table()).empty
    assert tightest(certificate_table(failed_certificate())).empty


def test_one_half_chooses_and_the_other_is_reported():
    """What is known of all points, or of the half that is reported, chooses nothing."""
    rows = [
        certificate(variant="x", gap_nats=0.0, **dict(zip(HALVES, (2.0, 0.1, 0.0, 0.0), strict=True))),
        certificate(variant="y", gap_nats=5.0, **dict(zip(HALVES, (1.0, 0.1, 9.0, 0.7), strict=True))),
    ]
    (row,) = tightest(certificate_table(*rows)).to_dict("records")
    assert (row["variant"], row["gap_nats"], row["gap_standard_error_nats"]) == ("y", 9.0, 0.7)


@pytest.mark.parametrize("n, known", [(3, False), (4, True)])
def test_few_simulated_points_are_not_halved(n, known):
    found = halves(np.zeros(n), np.arange(n, dtype=float))
    assert bool(found) == known
    rows = certificate_table(certificate(**(found or dict.fromkeys(HALVES))))
    assert len(tightest(rows)) == known


def test_a_row_without_a_value_for_the_whole_split_is_not_chosen():
    rows = [certificate(variant="x", gap_nats=0.1, test_nats=None), certificate(variant="y")]
    assert tightest(certificate_table(*rows))["variant"].tolist() == ["y"]


def simulated_gaps(n_trials=300, n_estimators=7, n_points=25, true=10.0):
    """Deviations from the true gap: of the reported one, and of one that is chosen and reported with all points."""
    rng, reported, old = np.random.default_rng(0), [], []
    for _ in range(n_trials):
        rows = []
        for estimator in range(n_estimators):
            upper = rng.normal(true, 5.0, n_points)
            all_points = {"gap_nats": upper.mean(), "gap_standard_error_nats": upper.std(ddof=1) / 5.0}
            rows.append(certificate(variant=str(estimator), **all_points, **halves(np.zeros(n_points), upper)))
        frame = certificate_table(*rows)
        reported.append(tightest(frame)["gap_nats"].item())
        old.append(frame["gap_nats"][(frame["gap_nats"] + 2.0 * frame["gap_standard_error_nats"]).idxmin()])
    return np.array(reported) - true, np.array(old) - true


def test_the_reported_gap_is_unbiased_where_the_smallest_of_all_points_is_more_than_one_error_too_small():
    """Seven estimators with the same true gap, 25 points, and so an error of 1 nat of each."""
    reported, old = simulated_gaps()
    assert abs(reported.mean()) < 3.0 * reported.std() / np.sqrt(len(reported))
    assert -1.5 < old.mean() < -1.0


def test_what_is_chosen_keeps_its_other_columns():
    frame = certificate_table(certificate(), certificate(model="vae"))
    pd.testing.assert_frame_equal(tightest(frame), frame)


def test_a_row_that_failed_is_never_the_tightest():
    """Its gap is smallest of all, because one of its bounds is wrong."""
    wrong = certificate(variant="wrong", gap_nats=-50.0, status="failed", claim="failed", reason="gap of -50")
    assert tightest(certificate_table(wrong, certificate(variant="right")))["variant"].tolist() == ["right"]
