"""Both sides of log p(x) of one trained model, by every estimator that fits it: a lower bound on test data, and the gap
between lower and upper bound on data that the model has generated itself. The gap says nothing of test points unlike
those data: there, independent repeats of the whole estimate are compared.

All numbers are kept in parts as they are made: an interrupted job goes on where it was when it is run again.
"""

import hashlib
import json
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cdae import checkpoint
from cdae.certificates.measured import measure, simulate
from cdae.certificates.trials import Trial, Trials
from cdae.certificates.work import Work
from cdae.computing.arrays import write_npz
from cdae.computing.files import read_record, write_record
from cdae.data import load_evaluation_set
from cdae.interfaces import Simulates
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.record import FAILED, NOT_RUN, OK
from workflow.jobs.cell import CellJob
from workflow.jobs.parts import Parts
from workflow.jobs.process import (
    is_failure_of_the_machine,
    is_out_of_memory,
    reason,
    use_one_thread_deterministically,
)


def run(
    config: dict[str, Any],
    hashes: dict[str, str],
    data: Path,
    weights: Path,
    training: Path,
    record: Path,
    values: Path,
) -> None:
    """Certify, and write the record and the per-example values.

    Args:
        hashes: config_sha256 and code_sha256.
        training: the record of training; if it failed, one row fails with its reason.
    """
    use_one_thread_deterministically()
    identity = [json.dumps(config, sort_keys=True), hashes["code_sha256"], weights.read_bytes().hex()]
    parts = Parts(record.with_suffix(".parts"), hashlib.sha256("".join(identity).encode()).hexdigest())
    trained = read_record(training)
    certification = Certification(CellJob(config).with_levels(trained.get("relative_std")), data, parts)
    if trained["status"] == OK:
        certification.run_all(weights)
    else:
        certification.fail_all(trained["status"], trained["reason"])
    write_npz(values, certification.values)
    write_record(record, certification.record(**hashes).to_json())
    parts.remove()


class Certification:
    """The rows and per-example values of one cell, as they are made."""

    def __init__(self, cell: CellJob, data: str | Path, parts: Parts):
        self.cell = cell
        self.work = Work(settings=cell.config["certify"], generator=cell.generator, keep=parts.get)
        self.data = load_evaluation_set(data).to(cell.device)
        self.status = OK
        self.rows: list[CertificateRow] = []
        self.values: dict[str, np.ndarray] = {}

    def run_all(self, weights: str | Path) -> None:
        """Run everything; where the machine has not the memory for it, one row says so."""
        try:
            self.run(weights)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            traceback.print_exc()
            self.rows, self.values = [], {}
            self.fail_all(NOT_RUN, reason(error))

    def fail_all(self, status: str, why: str) -> None:
        """There is no model to certify: one row says so."""
        self.status = NOT_RUN if status == NOT_RUN else OK
        self.rows.append(CertificateRow(estimator="all", status=status, reason=why))

    def run(self, weights: str | Path) -> None:
        """Load the model, simulate data from it, and run every estimator on either."""
        model = self.cell.build(self.data.training).to(self.cell.device)
        checkpoint.load(model, weights)
        model.requires_grad_(False)
        assert isinstance(model, Simulates), "the grid certifies no other"
        simulated = simulate(model, self.work)
        for trial in Trials(self.work, self.data.training).of(model):
            self.attempt(trial, simulated)

    def attempt(self, trial: Trial, simulated: tuple[Tensor, Tensor]) -> None:
        """Run one estimator; its own failure becomes a row, and the others go on."""
        try:
            self.estimate(trial, simulated)
        except Exception as error:
            if is_failure_of_the_machine(error):
                raise
            traceback.print_exc()
            failed = CertificateRow(estimator=trial.name, variant=trial.variant, status=FAILED, reason=reason(error))
            self.rows.append(failed)

    def estimate(self, trial: Trial, simulated: tuple[Tensor, Tensor]) -> None:
        """One estimator on test data, and from both sides on simulated data."""
        choose = partial(self.data.random_subset, seed=self.cell.subset_seed())
        measured = measure(trial, self.data.examples, choose, simulated, self.work)
        known = self.data.log_density
        fields = measured.fields(trial, None if known is None else known[measured.indices])
        row = CertificateRow(estimator=trial.name, variant=trial.variant, **fields)
        self.rows.append(row)
        self.values |= {f"{row.key}/{what}": tensor.numpy() for what, tensor in measured.per_example().items()}

    def record(self, **hashes: str) -> CertificationRecord:
        """All that the tables need to know of the cell but the per-example values."""
        return CertificationRecord(
            identity=self.cell.identity,
            dim=self.data.examples.shape[1],
            n_intensity_levels=self.data.training.n_intensity_levels,
            rows=self.rows,
            status=self.status,
            **hashes,
        )
