"""The estimators by name, each with the Protocol that it needs: which runs on which model is computed from these.

Every estimator takes (model, data, settings, generator) and yields one `Estimate` per variant, with per-example values
in nats; averages and errors are made with the tables. Not here: the mathematics (`bound`, `importance`, `parzen`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from cdae.bound import elbo
from cdae.computing.chunks import examples_at_once
from cdae.data import EvaluationSet
from cdae.estimators import parzen
from cdae.estimators.convergence import diagnostics, has_converged
from cdae.estimators.importance import log_importance_weights, log_likelihood
from cdae.estimators.markov import Corrupting, markov_bound
from cdae.interfaces import Bounded, BoundTerms, Estimate, Samples, Tractable, Weighted

Settings = dict[str, Any]


def lower_bound(
    model: Bounded, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """Eq. 4 on the whole test split, averaged over `n_draws` draws of the latents, with the mean of every term."""
    yield _average_of_draws(elbo, model, data, settings["n_draws"], generator)


def markov_lower_bound(
    model: Corrupting, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """The bound of the Markov model made of the same denoiser, as `lower_bound`; of that model, and not of this one."""
    yield _average_of_draws(markov_bound, model, data, settings["n_draws"], generator)


@torch.no_grad()
def _average_of_draws(
    draw: Callable[..., BoundTerms], model: Any, data: EvaluationSet, n_draws: int, generator: torch.Generator
) -> Estimate:
    """Of a bound's draws on the whole test split, with the mean of every term."""
    if n_draws < 1:
        raise ValueError(f"n_draws: got {n_draws}, expected at least 1")
    parts = data.test.split(examples_at_once(model))
    chunks = [_mean_terms([draw(model, x, generator=generator) for _ in range(n_draws)]) for x in parts]
    terms = BoundTerms(
        torch.cat([c.reconstruction for c in chunks]),
        torch.cat([c.level_kl for c in chunks], dim=1),
        torch.cat([c.prior_kl for c in chunks]),
    )
    means = {"reconstruction": terms.reconstruction.mean().item(), "prior_kl": terms.prior_kl.mean().item()}
    means |= {f"level_kl_{i}": kl.mean().item() for i, kl in enumerate(terms.level_kl, start=1)}
    return Estimate("", terms.total, torch.arange(len(data.test)), diagnostics={"mean_terms": means})


def _mean_terms(draws: list[BoundTerms]) -> BoundTerms:
    return BoundTerms(
        torch.stack([d.reconstruction for d in draws]).mean(0),
        torch.stack([d.level_kl for d in draws]).mean(0),
        torch.stack([d.prior_kl for d in draws]).mean(0),
    )


def importance_weighted(
    model: Weighted, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """IW-M (Eq. 11) on a random subset of the test split, the same for every model of a data set."""
    n_draws, indices = (
        settings["n_importance_samples"],
        data.random_test_subset(settings["n_points"], seed=settings["subset_seed"]),
    )
    chunks = data.test[indices].split(examples_at_once(model))
    with torch.no_grad():
        weights = [log_importance_weights(model, x, n_importance_samples=n_draws, generator=generator) for x in chunks]
    log_weights = torch.cat(weights, dim=1)
    yield Estimate("", log_likelihood(log_weights), indices, n_draws, _diagnostics(log_weights))


def _diagnostics(log_weights: Tensor) -> dict[str, float]:
    """With the flag of convergence, here without looking at tails, which would take longer than the estimate."""
    unknown = torch.full_like(log_weights[0], torch.nan)
    return {**diagnostics(log_weights), "converged": float(has_converged(log_weights, unknown))}


def parzen_window(
    model: Samples, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """Protocol "goodfeli2014" on every labelled variant of the model's samples."""
    bandwidths = parzen.GOODFELI2014_BANDWIDTHS * data.bandwidth_unit
    validation = data.validation_pixels[: parzen.GOODFELI2014_VALIDATION]
    for samples in model.sample_sets(settings["n_samples"], generator=generator):
        bandwidth = parzen.best_bandwidth(samples.values, validation, bandwidths=bandwidths)
        values = parzen.log_density(samples.values, data.test_pixels, bandwidth=bandwidth)
        diagnostics = {"bandwidth": bandwidth, "n_samples": len(samples.values)}
        if samples.n_steps is not None:
            diagnostics |= {"n_steps": samples.n_steps, "rms_distance_to_start": samples.rms_distance_to_start}
        yield Estimate(samples.variant, values, torch.arange(len(data.test)), diagnostics=diagnostics)


def exact(
    model: Tractable, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """The model's own log density in closed form, on the whole test split."""
    with torch.no_grad():
        values = model.log_prob(data.test)
    yield Estimate("", values, torch.arange(len(data.test)))


# Estimators of a model that is made of the given one, with what its name has at the end.
OTHER_MODELS = {"markov_bound": "-markov"}
ESTIMATORS: dict[str, tuple[type, Callable[..., Iterator[Estimate]]]] = {
    "exact": (Tractable, exact),
    "lower_bound": (Bounded, lower_bound),
    "markov_bound": (Corrupting, markov_lower_bound),
    "importance_weighted": (Weighted, importance_weighted),
    "parzen": (Samples, parzen_window),
}


def estimators_for(model_class: type) -> list[str]:
    """Names of the estimators that a class of models offers the methods for, in a fixed order."""
    return [name for name, (protocol, _) in ESTIMATORS.items() if issubclass(model_class, protocol)]
