"""The page of certificates says what is claimed of every estimate, or why it failed."""

from tests.workflow.records import certificate, certificate_table, failed_certificate
from workflow.tables.certificates_page import sections


def test_a_certificate_says_what_is_claimed_or_why_it_failed():
    (section,) = sections(certificate_table(certificate(), failed_certificate()))
    assert section.title == "mnist"
    assert section.table["Claim"].tolist() == ["certified", "failed: divergence"]
    assert section.table["Estimator"].tolist() == ["annealed over 1,600, fitted", "annealed, fitted"]
    assert section.table["Gap, simulated"].tolist() == ["4.50 ± 0.25", ""]
    assert section.table[["Weights", "Points", "Effective weights"]].to_numpy().tolist() == [
        ["2", "40", "1.0"],
        [""] * 3,
    ]


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
