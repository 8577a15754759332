"""A user's own estimator by its import path: how it is made and called, and the check of what it returns.

The user's class is called with the configured options, and its method

    estimate(model, data, *, generator)

returns a tensor with one value per example of `data` (a `cdae.data.EvaluationSet`), in nats, or yields
`cdae.interfaces.Estimate` for several variants or with more facts. Not here: on which models it runs, and what is
claimed of its numbers, which are read from its source (`workflow.grid.own_estimators`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from cdae.data import EvaluationSet
from cdae.import_path import ImportPath
from cdae.interfaces import Estimate


def made(kind: str, options: dict[str, Any]) -> Any:
    """The user's object, called with the options.

    Raises:
        ValueError: in one line, if the module cannot be imported, or the options do not fit.
    """
    target = ImportPath.parse(kind)
    maker = target.load()
    return _in_one_line(f"{target.name}(**options)", kind, f"the options are {options}; correct them", maker, **options)


def configured(
    model: Any, data: EvaluationSet, settings: dict[str, Any], *, generator: torch.Generator
) -> list[Estimate]:
    """Make the estimator that the settings name by `kind` and `options`, and give what it finds."""
    kind = settings["kind"]
    return estimates(kind, made(kind, settings.get("options", {})), model, data, settings, generator=generator)


def estimates(
    kind: str, estimator: Any, model: Any, data: EvaluationSet, settings: dict[str, Any], *, generator: torch.Generator
) -> list[Estimate]:
    """What an estimator gives on the examples, or on a random subset of them.

    Args:
        kind: what errors begin with.
        settings: `n_points` and `subset_seed` of the subset, or neither.

    Raises:
        ValueError: in one line, if it raises, or returns something else than a value per example.
    """
    n_examples = len(data.examples)
    indices = torch.arange(n_examples)
    if "n_points" in settings:
        indices = data.random_subset(settings["n_points"], seed=settings["subset_seed"])
    part = _part(data, indices)
    advice = f"data has {len(indices)} examples; correct it"
    estimate = estimator.estimate

    def run() -> list[Any]:
        returned = estimate(model, part, generator=generator)
        return [returned] if isinstance(returned, Tensor | Estimate) else list(returned)

    found = _in_one_line("estimate", kind, advice, run)
    if not found:
        raise ValueError(f"{kind}: estimate yielded nothing, expected a value per example; return them")
    return [_checked(kind, one, indices) for one in found]


def _part(data: EvaluationSet, indices: Int[Tensor, "m"]) -> EvaluationSet:
    """The examples of these indices; the training data stay."""
    exact, at = data.log_density, indices.to(data.examples.device)
    return replace(
        data,
        examples=data.examples[at],
        pixels=data.pixels[at],
        log_density=None if exact is None else exact[indices],
    )


def _checked(kind: str, found: Any, indices: Int[Tensor, "m"]) -> Estimate:
    """One estimate, with the indices that its values have in the whole data."""
    if isinstance(found, Tensor):
        found = Estimate(found, torch.arange(len(indices))) if found.shape == indices.shape else found
    if not isinstance(found, Estimate) or found.values.ndim != 1 or found.values.shape != found.indices.shape:
        shape = getattr(getattr(found, "values", found) if isinstance(found, Estimate) else found, "shape", None)
        got = f"a {type(found).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")
        raise ValueError(
            f"{kind}: estimate returned {got}, expected a tensor of shape ({len(indices)},), one value per example in "
            "nats; average over draws, and not over examples"
        )
    return replace(found, values=found.values.detach().double(), indices=indices[found.indices.cpu()])


def _in_one_line(what: str, kind: str, advice: str, call: Callable[..., Any], **keywords: Any) -> Any:
    """What a call of the user's code returns; what it raises, in one line."""
    try:
        return call(**keywords)
    except (ArithmeticError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise
        raised = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(f"{kind}: {what} raised {raised}; {advice}") from error
