"""The protocol card says what stands in the configuration and in the records."""

import math

import pytest

from cdae.certificates.claims import Claim, threshold_nats, weakest
from tests.workflow.records import CELL, evaluation_record
from workflow.grid.cells import portable, sha256
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.record import EvaluationRow, Identity, Row
from workflow.tables.estimators import CARDS, claim
from workflow.tables.protocol import card

EVERY = [EvaluationRow(estimator=name) for name, known in CARDS.items() if known.evaluated is not None]
DIGITS = evaluation_record(*EVERY, cell={"dataset": "digits"}, code_sha256="b")
MIXTURE = evaluation_record(*EVERY, cell={"dataset": "mixture_2d"}, dim=2, n_intensity_levels=None, code_sha256="a")
SIZES = {"n_points": 10, "n_simulated": 10}


def certification(*rows, **cell):
    return CertificationRecord(identity=Identity(**CELL | cell), dim=64, rows=list(rows))


def certificate(estimator, **changes):
    return CertificateRow(**{"estimator": estimator, **SIZES, **changes})


ALL_SIDES = certification(
    *(
        certificate(name, n_distributions=5 if name == "annealed" else None)
        for name, known in CARDS.items()
        if known.certified is not None
    )
)


def test_data_estimates_numerics_and_identity_are_told(config):
    text = card(config, [DIGITS, MIXTURE, DIGITS], [ALL_SIDES], [])
    for part in (
        "`digits`: 64 dimensions, 1,097 / 300 / 400",
        "levels 0 to 16 dequantized to x = (y + u) / 17",
        "`mixture_2d`: 2 dimensions",
        "real values as they are",
        "2 draws of the latents per example",
        "M = 5, on at most 50 random test points",
        "200 samples",
        "M = 30, on 10 test points",
        "annealing over 5 distributions",
        "bfloat16 (cdae, cdae-optimal); highest (dae-walkback, vae)",
        "Base seed 1, replicates 0",
        sha256(portable(config)),
        sha256(["a", "b"]),
    ):
        assert part in text
    assert text.count("`digits`") == 1 and "Notes on the input" not in text


def test_binarized_images_are_said_to_be_discrete(config):
    """And not to be real values as they are, which is what their record says."""
    name = "binarized_digits"
    config = {**config, "datasets": {name: {"loader": name}}}
    text = card(config, [evaluation_record(*EVERY, cell={"dataset": name}, n_intensity_levels=None)], [], [])
    assert f"`{name}`: 64 dimensions" in text and "likelihoods of discrete images" in text
    assert "real values as they are" not in text


def test_every_estimator_has_its_line(config):
    text = card(config, [DIGITS], [ALL_SIDES], [])
    for name, known in CARDS.items():
        n_lines = (known.evaluated is not None) + (known.certified is not None)
        assert text.count(f"- `{name}`: ") == n_lines > 0


def test_the_card_tells_what_was_done_and_not_what_was_asked_for(config):
    """Estimators without a row have no line; sizes are those of the records; a certificate that failed is none."""
    rows = [row for row in EVERY if row.estimator != "markov_bound"]
    annealed = [certificate("annealed", n_distributions=n, n_points=p) for n, p in ((5, 10), (1_600, 7))]
    failed = certificate("all_pairs", status="failed", reason="no")
    done = [certification(*annealed, dataset="digits", seed=3), certification(failed, dataset="mixture_2d")]
    text = card(config, [evaluation_record(*rows)], done, [])
    assert "`markov_bound`" not in text and "`all_pairs`" not in text
    assert "`certificates.csv`: digits; replicates 3;" in text
    assert "over 5 to 1,600 distributions" in text and "on 7 to 10 test points" in text


@pytest.mark.parametrize("records", [[], [certification(certificate("annealed", status="failed"))]])
def test_a_run_without_certificates_says_so(config, records):
    text = card(config, [DIGITS], records, [])
    assert "no gap is known" in text and "`annealed`" not in text


def test_the_card_says_what_was_repeated_and_which_claim_needs_it(config):
    repeated = [certificate("annealed", n_distributions=5, n_repeats=r, n_checked=n) for r, n in ((4, 10), (6, 25))]
    text = card(config, [DIGITS], [certification(*repeated)], [])
    assert "averaging 4 to 6 independent repeats of the whole estimate on 10 to 25 of the test points" in text
    assert "0.005 bits per dimension, or 0.05 nats for data without levels" in text
    once = card(config, [DIGITS], [certification(certificate("all_pairs"))], [])
    assert "no estimate was repeated" in once and Claim.CHECKED not in once


def test_notes_on_the_users_input_are_repeated(config):
    text = card(config, [DIGITS], [], ["`mine`: 3% outside"])
    assert "**Notes on the input**\n\n- `mine`: 3% outside" in text


def test_a_run_that_trains_nothing_says_nothing_of_training(config):
    config["models"] = {"gaussian": config["models"]["gaussian"]}
    assert "one thread." in card(config, [DIGITS], [], [])


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
    assert claim(EvaluationRow(estimator=estimator, converged=converged), 0.05) == expected
    assert claim(EvaluationRow(estimator=estimator, converged=converged, status="failed"), 0.05) == "failed"


CHECKED = "gap certified on simulated data, repeats agree on test points"
CERTIFIED = "gap certified on simulated data"
SMALL = {
    "estimator": "annealed", "gap_nats": 1.7, "gap_standard_error_nats": 0.5, "converged": False,
    "n_importance_samples": 4, "n_checked": 10, "n_repeats": 4, "repeats_add_nats": 1.7,
    "repeats_add_standard_error_nats": 0.5, "has_heavy_tail": False, "mean_slope": 1.7, "slope_standard_error": 0.5,
}  # fmt: skip
NO_REPEATS = dict.fromkeys(("n_checked", "n_repeats", "repeats_add_nats", "repeats_add_standard_error_nats"))
ONE_CHAIN = {"n_importance_samples": 1, "mean_slope": None, "slope_standard_error": None}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CHECKED),  # 1.7 + 2 * 0.5 nats are below 2.717
        ({"converged": True}, CHECKED),
        (ONE_CHAIN, CHECKED),
        ({"gap_standard_error_nats": 0.51, "converged": True}, "stochastic lower bound"),
        ({"gap_nats": 70.0}, "bound, not converged"),
        ({"gap_standard_error_nats": None}, "bound, not converged"),  # of one simulated point
        ({"repeats_add_standard_error_nats": 0.51, "converged": True}, "bound, not converged"),
        ({"repeats_add_standard_error_nats": None}, "bound, not converged"),
        ({"slope_standard_error": 0.51, "converged": True}, "bound, not converged"),
        ({"has_heavy_tail": True}, "bound, not converged"),
        ({"n_repeats": 3, "converged": True}, "stochastic lower bound"),
        ({"n_repeats": 3}, "bound, not converged"),
        ({"n_checked": 5}, CHECKED),
        ({"n_checked": 4, "converged": True}, "stochastic lower bound"),
        ({"n_checked": 4}, "bound, not converged"),
        (NO_REPEATS, CERTIFIED),
        (NO_REPEATS | {"n_repeats": 0}, CERTIFIED),
        (NO_REPEATS | {"has_heavy_tail": True}, "bound, not converged"),
        (NO_REPEATS | {"slope_standard_error": 0.51}, "bound, not converged"),
        (NO_REPEATS | {"n_importance_samples": 3, "converged": True}, "stochastic lower bound"),
        (NO_REPEATS | ONE_CHAIN, "bound, not converged"),
        ({"status": "failed"}, "failed"),
        ({"estimator": "exact", "gap_nats": 70.0}, "exact"),
    ],
)
def test_claims_of_rows_with_a_gap(changes, expected):
    """Images of 28 x 28 pixels with levels."""
    assert claim(CertificateRow(**SMALL | changes), threshold_nats(784, 256)) == expected


@pytest.mark.parametrize("changes", [{}, NO_REPEATS, {"converged": True, "gap_nats": 70.0}])
def test_of_a_row_that_something_else_speaks_against_no_more_than_a_bound_is_claimed(changes):
    row = CertificateRow(**SMALL | changes)
    assert claim(row, threshold_nats(784, 256), doubted=False) != "bound, not converged"
    assert claim(row, threshold_nats(784, 256), doubted=True) == "bound, not converged"
    assert claim(CertificateRow(**SMALL | {"status": "failed"}), 2.7, doubted=True) == "failed"
    assert claim(CertificateRow(**SMALL | {"estimator": "exact"}), 2.7, doubted=True) == "exact"


def test_the_threshold_is_in_bits_per_dimension_where_data_have_levels_and_in_nats_where_they_have_none():
    assert threshold_nats(784, 256) == pytest.approx(0.005 * 784 * math.log(2.0)) == pytest.approx(2.717, abs=5e-4)
    assert threshold_nats(784, 17) == threshold_nats(784, 256)
    assert threshold_nats(784, None) == threshold_nats(1, None) == 0.05


def test_a_row_of_an_estimator_without_a_card_can_only_have_failed():
    assert claim(Row(estimator="pictures of samples", status="failed"), 0.05) == "failed"


def test_of_several_claims_the_weakest_holds():
    assert weakest([Claim.STOCHASTIC, Claim.NOT_CONVERGED, Claim.CERTIFIED]) == Claim.NOT_CONVERGED
    assert weakest([Claim.EXACT, Claim.LOWER_BOUND]) == Claim.LOWER_BOUND
    assert weakest([Claim.CHECKED, Claim.CERTIFIED]) == Claim.CERTIFIED
