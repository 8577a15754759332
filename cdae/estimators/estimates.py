"""The estimators that every evaluation has: per-example values on a data set, in nats.

Each takes (model, data, settings, generator) and yields one `Estimate` per variant. Averages and errors are made with
the tables. Not here: the mathematics (`bound`, `importance`, `markov`, `parzen`), and which estimator runs on which
model (`catalogue`).
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
    """Yield Eq. 4 of every example, averaged over `n_draws` draws of the latents, with the mean of every term."""
    yield _average_of_draws(elbo, model, data, settings["n_draws"], generator)


def markov_lower_bound(
    model: Corrupting, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """Yield the bound of the Markov model made of the same denoiser. It bounds that model, and not the given one."""
    yield _average_of_draws(markov_bound, model, data, settings["n_draws"], generator)


@torch.no_grad()
def _average_of_draws(
    draw: Callable[..., BoundTerms], model: Any, data: EvaluationSet, n_draws: int, generator: torch.Generator
) -> Estimate:
    """Average several draws of a bound for every example, and every term of it over the examples too."""
    if n_draws < 1:
        raise ValueError(f"n_draws: got {n_draws}, expected at least 1")
    parts = data.examples.split(examples_at_once(model))
    chunks = [_mean_terms([draw(model, x, generator=generator) for _ in range(n_draws)]) for x in parts]
    terms = BoundTerms(
        torch.cat([c.reconstruction for c in chunks]),
        torch.cat([c.level_kl for c in chunks], dim=1),
        torch.cat([c.prior_kl for c in chunks]),
    )
    means = {"reconstruction": terms.reconstruction.mean().item(), "prior_kl": terms.prior_kl.mean().item()}
    means |= {f"level_kl_{i}": kl.mean().item() for i, kl in enumerate(terms.level_kl, start=1)}
    return Estimate(terms.total, torch.arange(len(data.examples)), mean_terms=means)


def _mean_terms(draws: list[BoundTerms]) -> BoundTerms:
    return BoundTerms(
        torch.stack([d.reconstruction for d in draws]).mean(0),
        torch.stack([d.level_kl for d in draws]).mean(0),
        torch.stack([d.prior_kl for d in draws]).mean(0),
    )


def importance_weighted(
    model: Weighted, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """Yield IW-M (Eq. 11) on a random subset of the examples, the same for every model of a data set."""
    n_draws = settings["n_importance_samples"]
    indices = data.random_subset(settings["n_points"], seed=settings["subset_seed"])
    chunks = data.examples[indices].split(examples_at_once(model))
    with torch.no_grad():
        weights = [log_importance_weights(model, x, n_importance_samples=n_draws, generator=generator) for x in chunks]
    log_weights = torch.cat(weights, dim=1)
    yield Estimate(
        log_likelihood(log_weights),
        indices,
        n_importance_samples=n_draws,
        converged=has_converged(log_weights, _unknown_tails(log_weights)),
        diagnostics=diagnostics(log_weights),
    )


def _unknown_tails(log_weights: Tensor) -> Tensor:
    """NaN in place of Pareto's k, whose fit would take longer than the estimate."""
    return torch.full_like(log_weights[0], torch.nan)


def parzen_window(
    model: Samples, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """Yield the Parzen estimate by protocol "goodfeli2014" for every variant of the model's samples.

    Black and white images have none: it is a density of real values, and theirs are probabilities.
    """
    if data.training.binarized:
        return
    bandwidths = parzen.GOODFELI2014_BANDWIDTHS * data.bandwidth_unit
    validation = data.validation_pixels[: parzen.GOODFELI2014_VALIDATION]
    for samples in model.sample_sets(settings["n_samples"], generator=generator):
        bandwidth = parzen.best_bandwidth(samples.values, validation, bandwidths=bandwidths)
        values = parzen.log_density(samples.values, data.pixels, bandwidth=bandwidth)
        facts = {"bandwidth": bandwidth, "n_samples": len(samples.values)}
        if samples.rms_distance_to_start is not None:
            facts |= {"n_steps": samples.variant.n_chain_steps, "rms_distance_to_start": samples.rms_distance_to_start}
        yield Estimate(values, torch.arange(len(data.examples)), samples=samples.variant, diagnostics=facts)


def exact(
    model: Tractable, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """Yield the model's own log density in closed form."""
    with torch.no_grad():
        values = model.log_prob(data.examples)
    yield Estimate(values, torch.arange(len(data.examples)))
