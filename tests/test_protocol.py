"""The protocol card says what stands in the configuration and in the records."""

from pathlib import Path

import pytest
import yaml
from workflow.scripts.protocol import card

from workflow.scripts import grid
from workflow.scripts.tabulate import claim

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config/smoke.yaml").read_text())
SIZES = {"train": 1_097, "validation": 300, "test": 400}
DIGITS = {"dataset": "digits", "dim": 64, "n_intensity_levels": 17, "split_sizes": SIZES, "code_sha256": "b"}
MIXTURE = {**DIGITS, "dataset": "mixture_2d", "dim": 2, "n_intensity_levels": None, "code_sha256": "a"}


def test_data_estimates_numerics_and_identity_are_told():
    text = card(CONFIG, [DIGITS, MIXTURE])
    for part in (
        "`digits`: 64 dimensions, 1,097 / 300 / 400",
        "levels 0 to 16 dequantized to x = (y + u) / 17",
        "`mixture_2d`: 2 dimensions",
        "real values as they are",
        "2 draws per example",
        "M = 5, on at most 50 random test points",
        "cdae-k3 with 12 points and 6 distributions",
        "bfloat16 (cdae); highest (dae-walkback, vae)",
        "Base seed 1, replicates 0",
        grid.sha256(CONFIG),
        grid.sha256(["a", "b"]),
    ):
        assert part in text


def test_a_run_without_certificates_says_so():
    config = {key: value for key, value in CONFIG.items() if key != "certify"}
    assert "no gap is known" in card(config, [DIGITS])


@pytest.mark.parametrize(
    ("estimator", "converged", "expected"),
    [
        ("exact", None, "exact"),
        ("lower_bound", None, "lower bound"),
        ("markov_bound", None, "lower bound"),
        ("importance_weighted", 1.0, "stochastic lower bound"),
        ("importance_weighted", 0.0, "bound, not converged"),
        ("parzen", None, "no bound"),
    ],
)
def test_claims_of_rows_without_a_gap(estimator, converged, expected):
    row = {"status": "ok", "estimator": estimator, "diagnostics": {"converged": converged}}
    assert claim(row) == expected
    assert claim({**row, "status": "failed"}) == "failed"
