"""The training of one cell: by gradients or in closed form, as the model's methods allow."""

import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cdae import checkpoint
from cdae.computing.files import write_record
from cdae.data import load_training_set
from cdae.interfaces import Fitted, InputWarning, Trainable
from cdae.training import fit
from workflow.grid.record import FAILED, NOT_RUN, OK
from workflow.jobs import schedule
from workflow.jobs.cell import PROCESSOR, CellJob
from workflow.jobs.process import is_out_of_memory, noted, reason, use_one_thread_deterministically

Snapshots = dict[int, dict[str, Tensor]]  # number of updates -> the model's state after so many


def run(
    config: dict[str, Any],
    hashes: dict[str, str],
    data: Path,
    weights: Path,
    snapshots: Path,
    record: Path,
    pilot: Path | None = None,
) -> None:
    """Train, and write the weights, the snapshots and the record; or record why there is nothing trained.

    Args:
        hashes: config_sha256 and code_sha256.
        pilot: the record of the data set's pilot, for a cell whose levels it chooses.
    """
    use_one_thread_deterministically()
    kept: Snapshots = {}
    with noted(InputWarning) as notes:
        try:
            cell, chosen = schedule.resolved(CellJob(config), data, pilot)
            model, facts = train(cell, data, kept)
            facts |= chosen
        except schedule.NoPilotError as error:
            model, facts = nn.Module(), {"status": error.status, "reason": str(error)}
        except Exception as error:
            if isinstance(error, OSError):
                raise
            traceback.print_exc()
            status = NOT_RUN if is_out_of_memory(error) else FAILED
            model, facts = nn.Module(), {"status": status, "reason": reason(error)}
    checkpoint.save(model, weights)
    checkpoint.save_snapshots(kept, snapshots)
    write_record(record, {**facts, "notes": notes, "config": config, "torch": torch.__version__, **hashes})


def train(cell: CellJob, data: str | Path, snapshots: Snapshots) -> tuple[nn.Module, dict[str, Any]]:
    """The trained model and the facts of its training; fills `snapshots` on the way."""
    training_set = load_training_set(data)
    model = cell.build(training_set)
    facts: dict[str, Any] = {"status": OK}
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
