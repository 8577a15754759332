"""How the object of a user's own model is built from the configuration, and what it must be.

Not here: what is done with it (`own`), and weights from a file (`own_weights`).
"""

import warnings
from functools import partial
from typing import Any

import torch
from torch import nn

from baselines.own_methods import offered
from cdae.data import TrainingSet
from cdae.import_path import ImportPath
from cdae.interfaces import InputWarning
from cdae.own_methods import FORWARDED
from cdae.own_model import check_latent_dim

SEEDS = 2**63 - 1  # below which seeds are drawn


def own_object(
    target: ImportPath, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
) -> Any:
    """The user's object, from the classmethod `build` if its class has one, else from the options as keywords.

    torch's global random numbers start from the generator while it is built, and are afterwards as they were.
    """
    maker, written = target.load(), offered(target).written
    call = f"{target.name}(**options)"
    make = partial(maker, **options)
    if isinstance(maker, type) and "build" in written:
        call = f"{target.name}.build(options, training_set, generator=...)"
        make = partial(maker.build, options, training_set, generator=generator)
    seed = int(torch.randint(SEEDS, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return make()
        except MemoryError:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ValueError(f"{target}: {call} raised {what}; the options are {options}; correct them") from error


def check_object(target: ImportPath, made: Any, names: frozenset[str], *, has_weights: bool) -> None:
    """Raise ValueError unless an object is what the source said it would be."""
    missing = sorted(name for name in (names & FORWARDED) & offered(target).written if name not in dir(made))
    if missing:
        raise ValueError(
            f"{target}: made a {type(made).__name__} without {missing[0]!r}, which its source says it has; let the "
            "function return an object of the class that it names"
        )
    is_made_here = names >= {"loss", "refit"} or "fit_closed_form" in names
    if is_made_here and not isinstance(made, nn.Module):
        raise ValueError(
            f"{target}: {type(made).__name__} is trained or fitted, but is no torch.nn.Module, so nothing of it would "
            "be kept; derive it from torch.nn.Module, with what is fitted in parameters and buffers"
        )
    if "log_likelihood" in names:
        check_latent_dim(str(target), made)
    if "log_likelihood" in names and "simulate" not in names:
        warnings.warn(
            f"{target}: no gap can be had, and so no certificate: it has log_likelihood, and neither "
            "sample_x(z, *, generator), which draws x from p(x | z), nor simulate; add one of them",
            InputWarning,
            stacklevel=2,
        )
    if isinstance(made, nn.Module) and not is_made_here and not has_weights and any(True for _ in made.parameters()):
        warnings.warn(
            f"{target}: has parameters, and neither weights nor training; it is evaluated as it is built",
            InputWarning,
            stacklevel=2,
        )
