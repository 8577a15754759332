"""The check of corruption levels: which keys each sort of schedule takes, and the pilot that chooses some of them."""

from itertools import pairwise
from typing import Any

from baselines.registry import PILOTED, piloted
from workflow.grid.cells import Options
from workflow.grid.refusal import check_known

BETWEEN_ENDS = ("geometric", "linear")
ENDS = ("first_std", "last_std")


def check_schedule(where: str, options: Options, pilot: Options | None) -> None:
    """Raise ValueError, naming the key, unless the levels of a model are well defined.

    A pilot chooses levels for the bound of a cascade alone: those of another model's bound would be others.

    Args:
        where: the path of keys that leads to the model.
        pilot: of the configuration, if it has one.
    """
    schedule = options["schedule"]
    if isinstance(schedule, list):
        _check_list(where, options)
        return
    check_known(f"{where}.schedule", schedule, {*BETWEEN_ENDS, *(PILOTED if options["kind"] == "cdae" else ())})
    if piloted(options) is None:
        check_ends(where, options, f" with schedule: {schedule}")
    else:
        _check_piloted(where, options, pilot)


def check_pilot(pilot: Options) -> None:
    """Raise ValueError, naming the key, unless the settings of a pilot make sense."""
    check_ends("pilot", pilot, "")
    if "snapshots" in pilot["training"]:
        raise ValueError("pilot.training.snapshots: got it, expected none of a pilot; remove it")


def check_ends(where: str, options: Options, of: str) -> None:
    """Raise ValueError, naming the key, unless there are two ends and the first is below the last."""
    for key in ENDS:
        if key not in options:
            raise ValueError(f"{where}: missing key {key!r}{of}; add it, a configuration is complete in itself")
    first, last = (options[key] for key in ENDS)
    if not first < last:
        raise ValueError(f"{where}.last_std: got {last}, expected more than first_std = {first}: levels must increase")


def _check_list(where: str, options: Options) -> None:
    levels = options["schedule"]
    _refuse(where, options, ENDS, "a list of levels")
    if not all(low < high for low, high in pairwise(levels)):
        raise ValueError(f"{where}.schedule: got {levels}, expected levels that increase; sort them, each once")
    if options["n_levels"] != [len(levels)]:
        raise ValueError(
            f"{where}.n_levels: got {options['n_levels']}, expected [{len(levels)}], the length of schedule; correct it"
        )


def _check_piloted(where: str, options: Options, pilot: Options | None) -> None:
    schedule = options["schedule"]
    if pilot is None:
        raise ValueError(f"{where}.schedule: got {schedule!r}, expected a pilot at the top level; add the key 'pilot'")
    _refuse(where, options, ("first_std",), f"schedule: {schedule}")
    most = max(options["n_levels"])
    if most > pilot["n_grid"]:
        raise ValueError(f"{where}.n_levels: got {most}, expected at most pilot.n_grid = {pilot['n_grid']}; raise that")
    low, high = pilot["first_std"], pilot["last_std"]
    if "last_std" in options and not low <= options["last_std"] <= high:
        raise ValueError(
            f"{where}.last_std: got {options['last_std']}, expected {low} to {high}, the ends of the pilot; widen these"
        )


def _refuse(where: str, options: dict[str, Any], keys: tuple[str, ...], of: str) -> None:
    for key in keys:
        if key in options:
            raise ValueError(f"{where}.{key}: got it with {of}, expected none, levels follow without it; remove it")
