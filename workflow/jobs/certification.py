"""Both sides of log p(x) of one trained model, by every estimator that fits it: a lower bound on test data, and the gap
between lower and upper bound on data that the model has generated itself. The gap says nothing of test points unlike
those data: there, independent repeats of the whole estimate are compared.

All numbers are kept in parts as they are made: an interrupted job goes on where it was when it is run again.
"""

import hashlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cdae import checkpoint
from cdae.computing.arrays import write_npz
from cdae.computing.files import read_record, write_record
from cdae.data import load_evaluation_set
from cdae.estimators.convergence import diagnostics, has_converged, has_heavy_tail, pareto_k, repeats_add, slope
from cdae.estimators.two_sided import BothSides, TwoSided
from cdae.gaussian import log_mean_exp
from cdae.interfaces import Simulates
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.record import FAILED, NOT_RUN, OK
from workflow.jobs.cell import CellJob
from workflow.jobs.parts import Arrays, Parts
from workflow.jobs.process import (
    is_failure_of_the_machine,
    is_out_of_memory,
    reason,
    use_one_thread_deterministically,
)
from workflow.jobs.statistics import beside_exact, beside_upper, mean_and_error
from workflow.jobs.trials import Trial, Trials

CHUNK_POINTS = 50  # of one batch; a constant, because results depend on it


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
    certification = Certification(CellJob(config), data, parts)
    trained = read_record(training)
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
        self.cell, self.settings, self.parts = cell, cell.config["certify"], parts
        self.data = load_evaluation_set(data).to(cell.device)
        self.status = OK
        self.rows: list[CertificateRow] = []
        self.values: Arrays = {}

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
        n = self.settings["n_simulated"]
        simulated = model.simulate(n, generator=self.cell.generator("certify, simulated data"))
        for trial in Trials(self.cell, self.data, self.parts).of(model):
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
        estimator, label = trial.make(), f"{trial.name}, {trial.variant}"
        indices = self.data.random_subset(trial.n_test, seed=self.cell.subset_seed())
        test, (x, latents) = self.data.examples[indices], simulated

        def forward(points: slice, generator: torch.Generator) -> dict[str, Tensor]:
            return {"log_weights": estimator.log_weights(test[points], generator=generator)}

        def both_sides(points: slice, generator: torch.Generator) -> dict[str, Tensor]:
            return estimator.both_sides(x[points], latents[..., points, :], generator=generator)._asdict()

        forward_weights = self.in_parts(f"{label}, test", len(test), forward)["log_weights"]
        on_simulated = BothSides(**self.in_parts(f"{label}, simulated", len(x), both_sides))
        self.add(trial, indices, forward_weights, on_simulated, self.repeated(trial, estimator))

    def checked(self, trial: Trial) -> Tensor:
        """Indices of the test points of the repeats: random ones of the estimator's own."""
        n = min(self.settings["check"]["n_points"], trial.n_test)
        return self.data.random_subset(n, seed=self.cell.subset_seed())

    def repeated(self, trial: Trial, estimator: TwoSided) -> Tensor | None:
        """Logs of independent repeats of the whole estimate (n_repeats, n_checked), in nats; None without repeats."""
        n_repeats = self.settings["check"]["n_repeats"]
        if n_repeats == 0 or not trial.is_random:
            return None
        x, label = self.data.examples[self.checked(trial)], f"{trial.name}, {trial.variant}"

        def again(points: slice, generator: torch.Generator) -> dict[str, Tensor]:
            return {"log_weights": estimator.log_weights(x[points], generator=generator)}

        runs = [self.in_parts(f"{label}, check {i}", len(x), again)["log_weights"] for i in range(n_repeats)]
        return torch.stack([log_mean_exp(log_weights) for log_weights in runs])

    def add(self, trial: Trial, indices: Tensor, forward: Tensor, simulated: BothSides, repeats: Tensor | None) -> None:
        """The row of one estimator, from log weights on test data, both sides on simulated data, and repeats."""
        values, bound, k = log_mean_exp(forward), forward.mean(0), pareto_k(forward)
        lower, upper = log_mean_exp(simulated.log_weights), simulated.upper
        known = self.data.log_density
        bound_nats, bound_error = mean_and_error(bound)
        sides = {**beside_upper(lower, upper), **beside_exact(values, None if known is None else known[indices])}
        row = CertificateRow(
            estimator=trial.name,
            variant=trial.variant,
            n_importance_samples=len(forward),
            n_distributions=trial.n_distributions,
            **sides,
            bound_nats=bound_nats,
            bound_standard_error_nats=bound_error,
            **_of_repeats(repeats),
            converged=has_converged(forward, k, upper - lower, repeats),
            has_heavy_tail=has_heavy_tail(forward, k),
            **diagnostics(forward),
            slope_standard_error=None if len(forward) == 1 else mean_and_error(slope(forward))[1],
            mean_pareto_k=None if k.isnan().all() else k.nanmean().item(),
            largest_variance_ratio=trial.largest_variance_ratio,
        )
        self.rows.append(row)
        kept = {"values": values, "bound": bound, "indices": indices, "lower": lower, "upper": upper}
        if repeats is not None:
            kept |= {"check": repeats, "check_indices": self.checked(trial)}
        self.values |= {f"{row.key}/{what}": tensor.numpy() for what, tensor in kept.items()}

    def in_parts(
        self, label: str, n_points: int, compute: Callable[[slice, torch.Generator], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Tensors over all points, their last axis, some points at a time with random numbers of their own."""
        parts: list[dict[str, Tensor]] = []
        for start in range(0, n_points, CHUNK_POINTS):
            rows, begun = slice(start, min(start + CHUNK_POINTS, n_points)), time.monotonic()
            purpose = f"certify, {label}, {start}"
            generator = self.cell.generator(purpose)
            part = self.parts.get(purpose, lambda r=rows, g=generator: _arrays(compute(r, g)))
            parts.append({name: torch.from_numpy(array) for name, array in part.items()})
            seconds = time.monotonic() - begun
            print(f"{label}: points {start + 1} to {rows.stop} of {n_points}, {seconds:.0f} s", file=sys.stderr)
        return {name: torch.cat([part[name] for part in parts], -1) for name in parts[0]}

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


def _arrays(tensors: dict[str, Tensor]) -> Arrays:
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


def _of_repeats(repeats: Tensor | None) -> dict[str, Any]:
    """Fields of a row: how many repeats there are, of how many points, and what averaging them adds."""
    if repeats is None:
        return {}
    adds, error = mean_and_error(repeats_add(repeats))
    return {
        "n_checked": repeats.shape[1],
        "n_repeats": len(repeats),
        "repeats_add_nats": adds,
        "repeats_add_standard_error_nats": error,
    }
