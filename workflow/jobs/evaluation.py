"""The evaluation of one cell: every estimator that fits its model, as rows, per-example values and pictures.

An estimator that raises, or whose lower bound lies above the exact value, makes a row with status "failed" and its
reason; the other rows stand.
"""

import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cdae import checkpoint
from cdae.computing.arrays import write_npz
from cdae.computing.files import read_record, write_record
from cdae.data import load_evaluation_set
from cdae.estimators.catalogue import ESTIMATORS, Entry, entry, estimators_for
from cdae.interfaces import Estimate, Layered, ManyLosses, Samples
from cdae.seen_examples import with_seen_examples
from cdae.statistics import beside_exact, mean_and_error
from workflow.grid.record import FAILED, NOT_RUN, OK, EvaluationRecord, EvaluationRow, Levels, SeenExamples
from workflow.jobs import measurements, pictures
from workflow.jobs.cell import CellJob
from workflow.jobs.kept import Kept
from workflow.jobs.process import (
    is_failure_of_the_machine,
    is_out_of_memory,
    reason,
    use_one_thread_deterministically,
)

N_SEEN_EXAMPLES = 1_000  # at most, on which a bound or an exact density is computed too


def run(
    config: dict[str, Any],
    hashes: dict[str, str],
    data: Path,
    weights: Path,
    training: Path,
    record: Path,
    values: Path,
    shown: Path,
    kept: Path,
) -> None:
    """Evaluate, and write the record, the per-example values and the pictures.

    Args:
        hashes: config_sha256 and code_sha256.
        training: the record of training; if it failed, every row fails with its reason.
        shown: file of the pictures.
        kept: folder of what is kept for evaluations with other settings.
    """
    use_one_thread_deterministically()
    trained = read_record(training)
    parts = Kept(kept, config, hashes, [data, weights, training])
    evaluation = Evaluation(CellJob(config).with_levels(trained.get("relative_std")), data, parts)
    if trained["status"] == OK:
        evaluation.run_all(weights)
    else:
        evaluation.fail_all(trained["status"], trained["reason"])
    write_npz(values, evaluation.values)
    write_npz(shown, evaluation.pictures)
    write_record(record, evaluation.record(**_of_training(trained), **hashes).to_json())


def _of_training(trained: dict[str, Any]) -> dict[str, Any]:
    """What the tables need to know of a training, from its record."""
    n_updates = trained.get("n_updates", [None])[-1]
    return {"n_updates": n_updates, "notes": trained["notes"], "predicted_nats": trained.get("predicted_nats", {})}


def run_at_snapshots(
    config: dict[str, Any], hashes: dict[str, str], data: Path, snapshots: Path, training: Path, record: Path
) -> None:
    """Evaluate the states that training kept on its way, and write their records, or why the machine could not.

    Random numbers are those of the finished model's evaluation, so differences along the way are paired.
    """
    use_one_thread_deterministically()
    cell = CellJob(config).with_levels(read_record(training).get("relative_std"))
    try:
        facts: dict[str, Any] = {"status": OK, "snapshots": at_snapshots(cell, data, snapshots)}
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        traceback.print_exc()
        facts = {"status": NOT_RUN, "reason": reason(error), "snapshots": []}
    write_record(record, {**facts, **hashes})


def at_snapshots(cell: CellJob, data: Path, snapshots: Path) -> list[dict[str, Any]]:
    """The records of a model at its snapshots, as JSON, by increasing number of updates."""
    records = []
    for n_updates, state in checkpoint.load_snapshots(snapshots).items():
        evaluation = Evaluation(cell, data)
        model = evaluation.build()
        model.load_state_dict(state)
        evaluation.measure(model, [name for name in evaluation.estimators() if evaluation.entry(name).on_snapshots])
        records.append(evaluation.record(n_updates=n_updates).to_json())
    return records


class Evaluation:
    """The rows, values and pictures of one cell, as they are made.

    Args:
        kept: what evaluations with other settings kept; None where nothing is kept.
    """

    def __init__(self, cell: CellJob, data: str | Path, kept: Kept | None = None):
        self.cell, self.kept = cell, kept
        self.data = load_evaluation_set(data).to(cell.device)
        self.status = OK
        self.rows: list[EvaluationRow] = []
        self.values: dict[str, np.ndarray] = {}
        self.pictures: pictures.Pictures = {}
        self.levels = Levels()
        self.seen_examples: dict[str, SeenExamples] = {}
        self.gradient_variance: dict[str, float] = {}

    def run_all(self, weights: str | Path) -> None:
        """Run everything; where the machine has not the memory for it, every estimator's row says so."""
        try:
            self.run(weights)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            traceback.print_exc()
            self.rows, self.values = [], {}
            self.fail_all(NOT_RUN, reason(error))

    def run(self, weights: str | Path) -> None:
        """Load the model, run all of its estimators, and keep pictures."""
        model = self.build()
        checkpoint.load(model, weights)
        self.measure(model, self.estimators())
        for name in [name for name in self.estimators() if self.entry(name).on_training_examples]:
            self.attempt(f"{name} on training examples", lambda name=name: self.estimate_on_seen(name, model))
        if isinstance(model, Samples):
            self.attempt("pictures of samples", lambda: self.picture_samples(model))
        if isinstance(model, Layered):
            self.attempt("pictures of levels", lambda: self.picture_levels(model))
        if isinstance(model, ManyLosses):
            self.attempt("gradient variance", lambda: self.measure_gradients(model))

    def estimators(self) -> list[str]:
        """Those that run on this model, of those that are configured; a user's own is configured where it runs."""
        configured = self.cell.config["estimators"]
        ours = [name for name in estimators_for(self.cell.model_class) if name in configured]
        return ours + [name for name in configured if name not in ESTIMATORS]

    def entry(self, name: str) -> Entry:
        """What is known of a configured estimator."""
        return entry(name, self.cell.config["estimators"][name])

    def build(self) -> nn.Module:
        """The untrained model, on its device."""
        return self.cell.build(self.data.training).to(self.cell.device)

    def measure(self, model: nn.Module, estimators: list[str]) -> None:
        """The given estimators, and what is known level by level."""
        for name in estimators:
            self.attempt(name, lambda name=name: self.estimate(name, model))
        if isinstance(model, Layered):
            self.attempt("levels", lambda: self.measure_levels(model))

    def attempt(self, name: str, action: Callable[[], None]) -> None:
        """Run one part of the evaluation; its own failure becomes a row, and the other parts go on."""
        try:
            with torch.no_grad():
                action()
        except Exception as error:
            if is_failure_of_the_machine(error):
                raise
            traceback.print_exc()
            self.fail(name, reason(error))

    def fail(self, name: str, why: str, status: str = FAILED, **fields: Any) -> None:
        suffix = ESTIMATORS[name].model_suffix if name in ESTIMATORS else ""
        self.rows.append(EvaluationRow(estimator=name, model_suffix=suffix, status=status, reason=why, **fields))

    def fail_all(self, status: str, why: str) -> None:
        """There is no model to evaluate: every estimator that would have run gets a row that says so."""
        self.status = NOT_RUN if status == NOT_RUN else OK
        for name in self.estimators():
            self.fail(name, why, status)

    def settings(self, name: str) -> dict[str, Any]:
        """The settings of one estimator, and the seed of the random test points that all models share."""
        return {**self.cell.config["estimators"][name], "subset_seed": self.cell.subset_seed()}

    def estimate(self, name: str, model: nn.Module) -> None:
        """The rows of one estimator, kept ones where nothing that they depend on has changed."""
        if self.kept is not None and (part := self.kept.take(name, "test")) is not None:
            self.rows += [EvaluationRow(**row) for row in part[0]["rows"]]
            self.values |= part[1]
            return
        generator, before = self.cell.generator(name), len(self.rows)
        for estimate in self.entry(name).estimate(model, self.data, self.settings(name), generator=generator):
            self.add(name, estimate)
        made = self.rows[before:]
        if self.kept is not None and all(row.status == OK for row in made):
            values = {key: self.values[key] for row in made for key in (row.key, f"{row.key}/indices")}
            self.kept.keep(name, "test", {"rows": [asdict(row) for row in made]}, values)

    def add(self, name: str, estimate: Estimate) -> None:
        """A row with the mean and its standard error, beside the exact value at the same points where it is known."""
        values, indices = estimate.values.cpu(), estimate.indices.cpu()
        facts: dict[str, Any] = {
            "variant": estimate.variant,
            "n_importance_samples": estimate.n_importance_samples,
        }
        if estimate.samples is not None:
            facts["last_step"] = estimate.samples.last_step
            facts["chain_start"] = estimate.samples.chain_start
            facts["n_chain_steps"] = estimate.samples.n_chain_steps
        known = self.data.log_density
        try:
            statistics = beside_exact(values, None if known is None else known[indices])
        except ArithmeticError as error:
            self.fail(name, reason(error), n_points=len(values), **facts)
            return
        if not self.entry(name).is_held_to_exact:
            statistics = {key: value for key, value in statistics.items() if key not in ("status", "reason")}
        row = EvaluationRow(
            estimator=name,
            model_suffix=self.entry(name).model_suffix,
            **facts,
            **statistics,
            model_exact_nats=statistics["mean_nats"] if name == "exact" else None,
            converged=estimate.converged,
            mean_terms=estimate.mean_terms,
            diagnostics=estimate.diagnostics,
        )
        self.rows.append(row)
        self.values[row.key] = values.numpy()
        self.values[f"{row.key}/indices"] = indices.numpy()

    def estimate_on_seen(self, name: str, model: nn.Module) -> None:
        """The mean of one estimator over training examples, the same ones for every model of the data set."""
        if self.kept is not None and (part := self.kept.take(name, "training")) is not None:
            self.seen_examples[name] = SeenExamples(**part[0])
            return
        data = with_seen_examples(self.data, N_SEEN_EXAMPLES, generator=self.cell.seen_examples_generator())
        generator = self.cell.generator(f"{name} on training examples")
        (estimate,) = self.entry(name).estimate(model, data, self.settings(name), generator=generator)
        if not estimate.values.isfinite().all():
            raise ArithmeticError(f"{int((~estimate.values.isfinite()).sum())} values not finite")
        self.seen_examples[name] = SeenExamples(len(estimate.values), *mean_and_error(estimate.values))
        if self.kept is not None:
            self.kept.keep(name, "training", asdict(self.seen_examples[name]), {})

    def picture_samples(self, model: Samples) -> None:
        dim = self.data.examples.shape[1]
        self.pictures |= pictures.of_samples(model, dim, generator=self.cell.generator("pictures"))

    def picture_levels(self, model: Layered) -> None:
        generator = self.cell.generator("pictures of levels")
        self.pictures |= pictures.of_levels(model, self.data.examples, generator=generator)

    def measure_levels(self, model: Layered) -> None:
        self.levels = measurements.levels(model, self.data, generator=self.cell.generator("levels"))

    def measure_gradients(self, model: ManyLosses) -> None:
        generator = self.cell.generator("gradient variance")
        self.gradient_variance = measurements.gradient_variances(model, self.data, generator=generator)

    def record(self, **facts: Any) -> EvaluationRecord:
        """All that the tables need to know of the cell but the per-example values."""
        return EvaluationRecord(
            identity=self.cell.identity,
            dim=self.data.examples.shape[1],
            n_intensity_levels=self.data.training.n_intensity_levels,
            split_sizes=self.data.split_sizes(),
            rows=self.rows,
            levels=self.levels,
            seen_examples=self.seen_examples,
            gradient_variance=self.gradient_variance,
            status=self.status,
            **facts,
        )
