"""Records on their way from a job to the tables: what is written is what is read."""

import json
from dataclasses import fields

import pytest

from cdae.computing.files import read_record, write_record
from tests.workflow.records import CELL, evaluation_record
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.record import EvaluationRecord, EvaluationRow, Identity, Levels, SeenExamples

ROW = EvaluationRow(
    estimator="parzen", variant="last step mean", status="failed", reason="no", n_importance_samples=3, n_points=7,
    mean_nats=0.1 + 0.2, standard_error_nats=1e-300, exact_nats=-1.5, excess_nats=2.0, excess_standard_error_nats=0.5,
    converged=False, model_suffix="-markov", last_step="mean", chain_start="noise", n_chain_steps=9,
    model_exact_nats=3.0, mean_terms={"prior_kl": 0.25}, diagnostics={"bandwidth": 0.5},
)  # fmt: skip
EVALUATION = evaluation_record(
    ROW,
    EvaluationRow(estimator="lower_bound"),
    levels=Levels([0.5, 1.0], [0.25, 0.75], [0.1, 0.2], [0.3, 0.4]),
    seen_examples={"lower_bound": SeenExamples(1_000, -2.0, 0.5)},
    n_updates=20,
    config_sha256="a",
    code_sha256="b",
)
CERTIFICATE = CertificateRow(
    estimator="annealed", variant="guided", n_importance_samples=2, n_points=7, mean_nats=1.0, standard_error_nats=0.1,
    exact_nats=1.5, excess_nats=-0.5, excess_standard_error_nats=0.2, converged=True, n_distributions=16,
    bound_nats=0.5, bound_standard_error_nats=0.3, n_simulated=8, simulated_lower_nats=1.0, simulated_upper_nats=1.25,
    gap_nats=0.25, gap_standard_error_nats=0.05, mean_effective_sample_size=1.5, mean_log_weight_std=0.7,
    n_checked=5, n_repeats=4, repeats_add_nats=0.1, repeats_add_standard_error_nats=0.02, has_heavy_tail=True,
    mean_relative_error=0.6, mean_slope=0.1, slope_standard_error=0.01, mean_pareto_k=0.4, largest_variance_ratio=1.9,
)  # fmt: skip
CERTIFICATION = CertificationRecord(
    identity=Identity(**CELL | {"model": "007", "n_levels": None}),
    dim=2,
    n_intensity_levels=17,
    rows=[CERTIFICATE, CertificateRow(estimator="all", status="failed", reason="training diverged")],
    config_sha256="a",
    code_sha256="b",
)


@pytest.mark.parametrize("record", [EVALUATION, CERTIFICATION], ids=["evaluation", "certification"])
def test_a_record_is_read_as_it_was_written(record, tmp_path):
    write_record(tmp_path / "record.json", record.to_json())
    assert type(record).from_json(read_record(tmp_path / "record.json")) == record
    json.dumps(record.to_json(), allow_nan=False)


@pytest.mark.parametrize("row", [ROW, CERTIFICATE], ids=["evaluation", "certificate"])
def test_no_field_of_these_rows_has_its_default(row):
    """So that the round trip looks at every field."""
    same = {f.name for f in fields(row) if getattr(row, f.name) == f.default}
    assert same == ({"status", "reason"} if row is CERTIFICATE else set())


def test_a_key_that_no_row_has_is_an_error():
    value = EVALUATION.to_json()
    value["rows"][0]["mean_nat"] = 1.0
    with pytest.raises(TypeError, match="mean_nat"):
        EvaluationRecord.from_json(value)


def test_the_key_tells_estimates_of_one_estimator_apart():
    assert ROW.key == "parzen/last step mean" and EvaluationRow(estimator="exact").key == "exact/"
