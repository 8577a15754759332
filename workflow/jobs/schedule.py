"""The levels of a cell whose schedule is chosen by a pilot, before its model is built."""

from pathlib import Path
from typing import Any

from baselines.registry import chooser, piloted
from cdae.computing.files import read_record
from cdae.data import load_training_set
from workflow.grid.record import OK
from workflow.jobs.cell import CellJob


class NoPilotError(Exception):
    """There is no pilot to choose levels by.

    Attributes:
        status: of the pilot, "failed" or "not run".
    """

    def __init__(self, status: str, reason: str):
        self.status = status
        super().__init__(f"the pilot: {reason}")


def resolved(cell: CellJob, data: str | Path, pilot: Path | None) -> tuple[CellJob, dict[str, Any]]:
    """The cell with its levels, and facts of how they were chosen; a cell with another schedule stays as it is.

    Args:
        pilot: the record of the data set's pilot, with its errors beside it.

    Raises:
        NoPilotError: if the pilot has failed or was not run.
    """
    target = piloted(cell.options)
    if target is None:
        return cell, {}
    assert pilot is not None, "the grid gives such a cell a pilot"
    flown = read_record(pilot)
    if flown["status"] != OK:
        raise NoPilotError(flown["status"], flown["reason"])
    chosen = chooser(target)(cell.options, pilot.with_suffix(".npz"), load_training_set(data))
    facts = {"relative_std": chosen.relative_std, "predicted_nats": chosen.predicted_nats}
    return cell.with_levels(chosen.relative_std), facts
