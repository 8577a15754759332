"""A model in memory, as estimators see it: a cascade as it is, and any other object through `own_model`.

Not here: estimates of it (`certification`, `evaluation`), and models by their import path, which are wrapped alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cdae.interfaces import Cascade, Chain, Denoises
from cdae.own_methods import READ, usable
from cdae.own_model import OwnModel, check_latent_dim, methods_of

CERTIFIABLE = (
    "latent_dim, log_likelihood(x, z) and sample_x(z, *, generator) of a decoder, or infer, log_weights and simulate, "
    "or all that cdae.interfaces.Cascade names"
)


def adopted(model: Any, x: Tensor) -> Any:
    """The model, for examples with the dimensions, the precision and the device of x.

    Raises:
        ValueError: if it is a class, an incomplete cascade, or a decoder without latent_dim.
    """
    if isinstance(model, type):
        raise ValueError(
            f"model: got the class {model.__name__}, expected an object of it; call it, {model.__name__}(...)"
        )
    if isinstance(model, Denoises):
        _check_cascade(model)
        return model
    if isinstance(model, Chain):
        return model
    label, written = type(model).__name__, methods_written(model)
    if "log_likelihood" in written:
        check_latent_dim(label, model)
    methods = methods_of(usable(written), written)
    wrapped = type(label, (OwnModel,), {"label": label, **methods})(model, x.shape[1])
    wrapped.place = torch.zeros((), dtype=x.dtype, device=x.device)
    return wrapped


def check_certifiable(model: Any) -> None:
    """Raise ValueError unless a model has the methods for both sides of log p(x); it names those that are missing."""
    if isinstance(model, Denoises):
        if "simulate" not in dir(model):
            raise ValueError(f"{_named(model)}, expected also simulate(n, *, generator), for the upper bound; add it")
        return
    names = usable(methods_written(model))
    if "log_likelihood" not in names and not {"infer", "log_weights"} <= names:
        raise ValueError(f"{_named(model)}, expected {CERTIFIABLE}; add what is missing")
    if "simulate" not in names:
        instead = "sample_x(z, *, generator), which draws x from p(x | z), or " if "log_likelihood" in names else ""
        raise ValueError(
            f"{_named(model)}, expected also {instead}simulate(n, *, generator), which draws (x, latents); the upper "
            "bound needs it; add it"
        )


def check_examples(name: str, x: Tensor, n_least: int) -> None:
    """Raise ValueError unless x is a table of at least so many finite examples."""
    if x.ndim != 2 or not x.dtype.is_floating_point:
        raise ValueError(
            f"{name}: got shape {tuple(x.shape)} of {x.dtype}, expected (n, dim) of floats on the data's scale; "
            "flatten images, and dequantize levels"
        )
    if len(x) < n_least:
        raise ValueError(
            f"{name}: got {len(x)} examples, expected at least {n_least}; give more, or ask for fewer points"
        )
    if not x.isfinite().all():
        raise ValueError(f"{name}: got values that are not finite, expected finite ones; remove or repair them")


def check_generator(generator: torch.Generator, x: Tensor) -> None:
    """Raise ValueError unless the generator is on the device of x."""
    if generator.device.type != x.device.type:
        raise ValueError(
            f"generator: got one on {generator.device}, expected one on {x.device} as x; make it by "
            f"torch.Generator({str(x.device)!r})"
        )


def in_precision_of(model: Any, x: Tensor) -> Tensor:
    """Examples with the precision of the model's parameters; as they are where it has none."""
    parameters = model.parameters() if isinstance(model, nn.Module) else iter(())
    return x.to(next((p.dtype for p in parameters if p.is_floating_point()), x.dtype))


def methods_written(model: Any) -> frozenset[str]:
    """Names of the methods that matter and that an object has."""
    return frozenset(name for name in READ & {*dir(model)} if callable(getattr(model, name)))


@contextmanager
def at_rest(model: Any) -> Iterator[None]:
    """Evaluation mode and no gradients of parameters, as long as it lasts; then the modes of before are back."""
    modules = [*model.modules()] if isinstance(model, nn.Module) else []
    parameters = [parameter for module in modules for parameter in module.parameters(recurse=False)]
    modes, needed = [module.training for module in modules], [parameter.requires_grad for parameter in parameters]
    try:
        for module in modules:
            module.training = False
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for parameter, need in zip(parameters, needed, strict=True):
            parameter.requires_grad_(need)


def _check_cascade(model: Any) -> None:
    needed = {name for name in (*Cascade.__annotations__, *vars(Cascade)) if not name.startswith("_")}
    missing = sorted(needed - {*dir(model)})
    if missing:
        raise ValueError(
            f"{type(model).__name__}: got a model with denoise and denoise_level and without {', '.join(missing)}, "
            "expected all that cdae.interfaces.Cascade names; add them"
        )


def _named(model: Any) -> str:
    """What a model has, as messages begin."""
    found = sorted(methods_written(model)) or ["none of the methods that estimators call"]
    return f"{type(model).__name__}: got a model with {', '.join(found)}"
