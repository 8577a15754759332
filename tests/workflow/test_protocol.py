"""The protocol card says what stands in the configuration and in the records."""

import pytest

from tests.workflow.records import evaluation_record
from workflow.grid.cells import sha256
from workflow.grid.record import CertificateRow, EvaluationRow, Row
from workflow.tables.estimators import CARDS, Claim, claim, weakest
from workflow.tables.protocol import card

DIGITS = evaluation_record(cell={"dataset": "digits"}, code_sha256="b")
MIXTURE = evaluation_record(cell={"dataset": "mixture_2d"}, dim=2, n_intensity_levels=None, code_sha256="a")


def test_data_estimates_numerics_and_identity_are_told(config):
    text = card(config, [DIGITS, MIXTURE, DIGITS])
    for part in (
        "`digits`: 64 dimensions, 1,097 / 300 / 400",
        "levels 0 to 16 dequantized to x = (y + u) / 17",
        "`mixture_2d`: 2 dimensions",
        "real values as they are",
        "2 draws of the latents per example",
        "M = 5, on at most 50 random test points",
        "200 samples",
        "M = 30, on 20 test points",
        "annealing over 5 distributions",
        "cdae-k3 with 12 points and 6 distributions",
        "bfloat16 (cdae); highest (dae-walkback, vae)",
        "Base seed 1, replicates 0",
        sha256(config),
        sha256(["a", "b"]),
    ):
        assert part in text
    assert text.count("`digits`") == 1


def test_every_estimator_has_its_line(config):
    text = card(config, [DIGITS])
    for name, known in CARDS.items():
        n_lines = (known.evaluated is not None) + (known.certified is not None)
        assert text.count(f"- `{name}`: ") == n_lines > 0


def test_an_estimator_that_is_not_configured_has_no_line(config):
    del config["estimators"]["markov_bound"]
    assert "`markov_bound`" not in card(config, [DIGITS])


def test_a_run_without_certificates_says_so(config):
    del config["certify"]
    text = card(config, [DIGITS])
    assert "no gap is known" in text and "`annealed`" not in text


@pytest.mark.parametrize(
    ("estimator", "converged", "expected"),
    [
        ("exact", None, "exact"),
        ("lower_bound", None, "lower bound"),
        ("markov_bound", None, "lower bound"),
        ("importance_weighted", True, "stochastic lower bound"),
        ("importance_weighted", False, "bound, not converged"),
        ("parzen", None, "no bound"),
    ],
)
def test_claims_of_rows_without_a_gap(estimator, converged, expected):
    assert claim(EvaluationRow(estimator=estimator, converged=converged), dim=2) == expected
    assert claim(EvaluationRow(estimator=estimator, converged=converged, status="failed"), dim=2) == "failed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "certified"),  # 4 + 2 * 0.5 nats are below 7.84
        ({"converged": False}, "certified"),  # whatever the weights say of themselves
        ({"gap_standard_error_nats": 2.0}, "stochastic lower bound"),
        ({"gap_nats": 70.0, "converged": False}, "bound, not converged"),
        ({"status": "failed"}, "failed"),
        ({"estimator": "exact", "gap_nats": 70.0}, "exact"),
    ],
)
def test_claims_of_rows_with_a_gap(changes, expected):
    known = {"estimator": "annealed", "gap_nats": 4.0, "gap_standard_error_nats": 0.5, "converged": True}
    assert claim(CertificateRow(**known | changes), dim=784) == expected


def test_a_row_of_an_estimator_without_a_card_can_only_have_failed():
    assert claim(Row(estimator="pictures of samples", status="failed"), dim=2) == "failed"


def test_of_several_claims_the_weakest_holds():
    assert weakest([Claim.STOCHASTIC, Claim.NOT_CONVERGED, Claim.CERTIFIED]) == Claim.NOT_CONVERGED
    assert weakest([Claim.EXACT, Claim.LOWER_BOUND]) == Claim.LOWER_BOUND
