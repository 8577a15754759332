"""The training of one cell: by gradients or in closed form, as the model's methods allow."""

import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cdae import checkpoint
from cdae.computing.files import write_json
from cdae.data import load_training_set
from cdae.interfaces import Fitted, Trainable
from cdae.training import fit
from workflow.jobs.cell import PROCESSOR, CellJob
from workflow.jobs.process import is_failure_of_the_machine, reason, use_one_thread_deterministically

Snapshots = dict[int, dict[str, Tensor]]  # number of updates -> the model's state after so many


def run(config: dict[str, Any], data: Path, weights: Path, snapshots: Path, record: Path) -> None:
    """Train, and write the weights, the snapshots and the record; or record why training failed."""
    use_one_thread_deterministically()
    kept: Snapshots = {}
    try:
        model, facts = train(CellJob(config), data, kept)
    except Exception as error:
        if is_failure_of_the_machine(error):
            raise
        traceback.print_exc()
        model, facts = nn.Module(), {"status": "failed", "reason": reason(error)}
    checkpoint.save(model, weights)
    checkpoint.save_snapshots(kept, snapshots)
    write_json(record, {**facts, "config": config, "torch": torch.__version__})


def train(cell: CellJob, data: str | Path, snapshots: Snapshots) -> tuple[nn.Module, dict[str, Any]]:
    """The trained model and the facts of its training; fills `snapshots` on the way."""
    training_set = load_training_set(data)
    model = cell.build(training_set)
    facts: dict[str, Any] = {"status": "ok"}
    if isinstance(model, Trainable):
        history = fit(
            model.to(cell.device),
            training_set.to(cell.device),
            **cell.options["training"],
            generator=cell.generator("training"),
            on_snapshot=lambda n_updates, snapshot: snapshots.update({n_updates: checkpoint.state(snapshot)}),
        )
        facts |= {"n_updates": history.n_updates, "loss": history.loss}
    elif isinstance(model, Fitted):  # by NumPy and scikit-learn, which know the processor alone
        model.fit_closed_form(training_set, generator=cell.generator("training", PROCESSOR))
    return model, facts
