"""The page of certificates says what is claimed of every estimate, or why it failed."""

import numpy as np

from tests.workflow.records import certificate, certificate_table, failed_certificate
from workflow.tables.certificates_page import sections


def test_a_certificate_says_what_is_claimed_or_why_it_failed():
    (section,) = sections(certificate_table(certificate(), failed_certificate()))
    assert section.title == "mnist"
    said = "gap certified on simulated data: the gap is 4.50 ± 0.25 nats"
    assert section.table["Claim"].tolist() == [said, "failed: divergence"]
    assert section.table["Estimator"].tolist() == ["annealed over 1,600, fitted", "annealed, fitted"]
    assert section.table["Gap, simulated"].tolist() == ["4.50 ± 0.25", ""]
    assert section.table[["Weights", "Points", "Effective weights"]].to_numpy().tolist() == [
        ["2", "40", "1.0"],
        [""] * 3,
    ]


def test_a_claim_shows_the_gap_and_what_repeats_add():
    checked = "gap certified on simulated data, repeats agree on test points"
    repeats = {"n_repeats": 4, "repeats_add_nats": 0.5, "repeats_add_standard_error_nats": 0.125}
    rows = [certificate(claim=claim, **repeats) for claim in (checked, "bound, not converged")]
    (section,) = sections(certificate_table(*rows))
    assert section.table["Claim"].tolist() == [
        f"{checked}: the gap is 4.50 ± 0.25 nats, repeats add 0.50 ± 0.12",
        "bound, not converged: the gap is 4.50 ± 0.25 nats",
    ]
    assert section.table["Repeats add"].tolist() == ["0.50 ± 0.12"] * 2
    (without,) = sections(certificate_table(certificate(claim="stochastic lower bound", gap_nats=np.nan)))
    assert without.table["Claim"].tolist() == ["stochastic lower bound"]


def test_a_model_that_failed_to_train_has_a_row_without_numbers():
    failed = failed_certificate(estimator="all", variant="", reason="training diverged")
    (section,) = sections(certificate_table(failed))
    row = section.table.iloc[0].to_dict()
    assert (row.pop("Model"), row.pop("Estimator"), row.pop("Claim")) == (
        "cdae, k = 4", "all", "failed: training diverged"
    )  # fmt: skip
    assert set(row.values()) == {""}


def test_a_run_without_certificates_has_no_table():
    assert list(sections(certificate_table())) == []


def test_a_value_that_extrapolates_is_marked():
    (section,) = sections(certificate_table(certificate(), certificate(extrapolates=True)))
    assert section.table["Lower bound"].tolist() == ["130.00 ± 2.00", "130.00 ± 2.00 ‡"]
