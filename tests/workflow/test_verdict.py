"""The last word on a run: what failed, and what must run again."""

import pytest

from cdae.computing.files import write_record
from tests.workflow.records import BOUND, CELL, evaluation_record
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.quality_record import QualityRecord, QualityRow
from workflow.grid.record import EvaluationRow, Identity
from workflow.tables.verdict import judge

BROKEN = EvaluationRow(estimator="parzen", variant="last step mean", status="failed", reason="no")
DIVERGED = CertificateRow(estimator="all", status="failed", reason="training diverged")


@pytest.fixture
def write(tmp_path):
    def write(name, value):
        write_record(tmp_path / name, value)
        return tmp_path / name

    return write


@pytest.fixture
def cells(write):
    """A cell that is well, one with an estimator that failed, and one whose training did."""
    diverged = EvaluationRow(estimator="lower_bound", status="failed", reason="training diverged")
    records = [evaluation_record(BOUND), evaluation_record(BOUND, BROKEN), evaluation_record(diverged)]
    names = ["well", "broken", "diverged"]
    evaluations = [write(f"{n}.json", record.to_json()) for n, record in zip(names, records, strict=True)]
    trainings = [
        write(f"{n}-training.json", {"status": "failed" if n == "diverged" else "ok", "reason": "training diverged"})
        for n in names
    ]
    return evaluations, trainings


def test_a_run_without_failures_has_none(cells):
    evaluations, trainings = cells
    assert judge(evaluations[:1], trainings[:1], [], []).failures == []


def test_of_a_cell_whose_training_failed_training_runs_again(cells):
    evaluations, trainings = cells
    verdict = judge(*cells, [], [])
    assert verdict.retry == [evaluations[1], trainings[2]]
    assert verdict.failures == [
        f"{evaluations[1]}: parzen last step mean: failed: no",
        f"{evaluations[2]}: lower_bound: failed: training diverged",
    ]  # fmt: skip


def test_a_certificate_that_failed_is_one_too(cells, write):
    evaluations, trainings = cells
    rows = [[DIVERGED], [CertificateRow(estimator="annealed")]]
    certificates = [
        write(f"certificate-{i}.json", CertificationRecord(identity=Identity(**CELL), dim=2, rows=some).to_json())
        for i, some in enumerate(rows)
    ]
    verdict = judge(evaluations[:1], trainings[:1], certificates, [])
    assert verdict.retry == [certificates[0]] and len(verdict.failures) == 1


def test_the_message_lists_what_failed_and_the_command_that_tries_it_again(cells):
    message = judge(*cells, [], []).message(["--configfile", "config/my file.yaml"])
    first, *failures, last = message.splitlines()
    assert first == "2 estimates failed; tables and figures show the rest:" and len(failures) == 2
    assert last.startswith("to retry: snakemake --cores all --configfile 'config/my file.yaml' --forcerun ")
    assert last.endswith(" ".join(map(str, judge(*cells, [], []).retry)))
    assert "--configfile" not in judge(*cells, [], []).message([])


def test_snapshots_that_the_machine_could_not_evaluate_are_named_and_tried_again(cells, write):
    evaluations, trainings = cells
    good = write("good.json", {"status": "ok", "snapshots": []})
    bad = write("bad.json", {"status": "not run", "reason": "it needs more memory", "snapshots": []})
    verdict = judge(evaluations[:1], trainings[:1], [], [good, bad])
    assert verdict.failures == [f"{bad}: snapshots: not run: it needs more memory"] and verdict.retry == [bad]


def test_samples_that_could_not_be_judged_are_a_failure_too(cells, write):
    evaluations, trainings = cells
    rows = [
        [QualityRow(estimator="samples", variant="x", status="failed", reason="no")],
        [QualityRow(estimator="samples")],
    ]
    records = [
        write(f"quality-{i}.json", QualityRecord(identity=Identity(**CELL), rows=some).to_json())
        for i, some in enumerate(rows)
    ]
    verdict = judge(evaluations[:1], trainings[:1], [], [], records)
    assert verdict.retry == records[:1] and verdict.failures == [f"{records[0]}: samples x: failed: no"]
