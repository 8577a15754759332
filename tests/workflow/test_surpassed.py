"""Rows of a certification above which another row of the same model lies."""

import numpy as np
import pytest

from tests.workflow.records import CELL
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.record import Identity
from workflow.tables.cells import Certified
from workflow.tables.surpassed import surpassed

NOISE = np.tile([-1.0, 1.0], 50) * np.sqrt(0.99)  # 100 points of standard deviation 1, so errors of a mean are 0.1


def cell(higher, of_higher, lower, of_lower, status="ok") -> Certified:
    """Two rows with these values at these test points; the status is that of the first."""
    rows = [
        CertificateRow(estimator="annealed", variant="prior", status=status),
        CertificateRow(estimator="importance_weighted", variant="paper"),
        CertificateRow(estimator="sequential", status="failed"),  # which has no values
    ]
    values = {
        "annealed/prior/values": higher, "annealed/prior/indices": of_higher,
        "importance_weighted/paper/values": lower, "importance_weighted/paper/indices": of_lower,
    }  # fmt: skip
    return Certified(CertificationRecord(identity=Identity(**CELL), dim=2, rows=rows), values)


@pytest.mark.parametrize(
    ("difference", "threshold", "is_surpassed"),
    [(0.31, 0.05, True), (0.29, 0.05, False), (0.31, 0.32, False), (0.5, 0.4, True), (-0.5, 0.05, False)],
)
def test_a_row_is_surpassed_by_more_than_three_errors_and_the_threshold(difference, threshold, is_surpassed):
    """Errors are those of the paired difference: what the points have in common is a hundred times larger."""
    points, common = np.arange(100), 100.0 * np.random.default_rng(0).standard_normal(100)
    found = surpassed(cell(common + NOISE + difference, points, common, points), threshold)
    expected = {"importance_weighted/paper"} if is_surpassed else set()
    assert found == (expected | {"annealed/prior"} if difference < -0.3 else expected)


def test_rows_are_compared_at_their_common_points_alone():
    of_higher, of_lower = np.arange(0, 200, 2), np.arange(100, 200)
    higher, lower = np.where(of_higher < 100, 99.0, 0.0), np.where(of_lower % 2, -99.0, 0.0)
    assert surpassed(cell(higher, of_higher, lower, of_lower), 0.05) == set()
    assert surpassed(cell(higher + 1.0, of_higher, lower, of_lower), 0.05) == {"importance_weighted/paper"}


@pytest.mark.parametrize("n_common", [0, 1])
def test_without_two_common_points_nothing_is_said(n_common):
    of_lower = np.arange(10) + 10 - n_common
    assert surpassed(cell(np.full(10, 9.0), np.arange(10), np.zeros(10), of_lower), 0.05) == set()


def test_a_row_that_failed_speaks_against_no_other():
    points = np.arange(10)
    assert surpassed(cell(np.full(10, 9.0), points, np.zeros(10), points, status="failed"), 0.05) == set()
