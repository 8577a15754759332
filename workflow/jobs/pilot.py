"""The pilot of one data set: a denoiser for all levels, and its errors at each of them on seen and unseen examples."""

import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cdae import error_curve
from cdae.computing import precision
from cdae.computing.device import choose
from cdae.computing.files import write_record
from cdae.computing.seeds import generator_from
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet, load_training_set, load_validation_set
from cdae.error_curve import ErrorCurve, measure_errors
from cdae.pilot import Pilot
from cdae.training import fit
from workflow.grid.record import FAILED, NOT_RUN, OK
from workflow.jobs.process import is_out_of_memory, reason, use_one_thread_deterministically

N_EXAMPLES = 5_000  # at most, of either split, that errors are measured on


def run(config: dict[str, Any], hashes: dict[str, str], data: Path, errors: Path, record: Path) -> None:
    """Fly the pilot, and write its errors and the record; or record why there are none.

    Args:
        hashes: config_sha256 and code_sha256.
    """
    use_one_thread_deterministically()
    try:
        curve, facts = fly(config, data)
    except Exception as error:
        if isinstance(error, OSError):
            raise
        traceback.print_exc()
        facts = {"status": NOT_RUN if is_out_of_memory(error) else FAILED, "reason": reason(error)}
        curve = None
    error_curve.save(curve, errors)
    write_record(record, {**facts, "notes": [], "config": config, "torch": torch.__version__, **hashes})


def fly(config: dict[str, Any], data: Path) -> tuple[ErrorCurve, dict[str, Any]]:
    """The errors of a trained pilot, and the facts of its training."""
    settings, device = config["pilot"], choose(config.get("device", "cpu"))
    seen, unseen = load_training_set(data), load_validation_set(data)

    def generator(purpose: str, where: torch.device | str = device) -> torch.Generator:
        return generator_from(config["base_seed"], config["dataset"], "pilot", purpose, device=where)

    ends = {"first_std": settings["first_std"], "last_std": settings["last_std"]}
    initialisation = generator("initialisation", "cpu")
    pilot = Pilot.build(seen, hidden_sizes=settings["hidden_sizes"], **ends, generator=initialisation).to(device)
    history = fit(pilot, seen.to(device), **settings["training"], generator=generator("training"))

    relative_std = torch.tensor(NoiseSchedule.geometric(settings["n_grid"], **ends).corruption_std[1:]).double()
    corruption_std = relative_std * seen.summary().pooled_std

    def measured(examples: TrainingSet, purpose: str) -> Tensor:
        x = _some(examples.to(device), generator(purpose))
        with precision.matmul_precision(settings["training"]["matmul_precision"], device):
            return measure_errors(pilot.denoise, x, corruption_std, generator=generator(f"{purpose} noise")).cpu()

    curve = ErrorCurve(relative_std, measured(seen, "training examples"), measured(unseen, "validation examples"))
    return curve, {"status": OK, "n_updates": history.n_updates, "loss": history.loss, "levels": _levels(curve)}


def _some(examples: TrainingSet, generator: torch.Generator) -> Tensor:
    """Random examples, all of them if there are no more than `N_EXAMPLES`."""
    order = torch.randperm(len(examples), generator=generator, device=examples.values.device)
    return examples.draw(generator=generator)[order[:N_EXAMPLES]]


def _levels(curve: ErrorCurve) -> dict[str, list[float]]:
    """The curve averaged over pixels."""
    return {
        "relative_std": curve.relative_std.tolist(),
        "mse_train": curve.mse_train.mean(1).tolist(),
        "mse_validation": curve.mse_validation.mean(1).tolist(),
    }
