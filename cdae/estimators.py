"""The estimators by name, each with the Protocol that it needs: which runs on which model is computed from these.

Every estimator takes (model, data, settings, generator) and yields one `Estimate` per variant, with per-example values
in nats; averages and errors are made with the tables. Not here: the mathematics (`bound`, `importance`, `parzen`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from cdae import parzen
from cdae.bound import elbo
from cdae.data import EvaluationSet
from cdae.importance import effective_sample_size, log_importance_weights, log_likelihood
from cdae.interfaces import Bounded, BoundTerms, Cascade, Denoises, Estimate, Samples, Tractable, Weighted
from cdae.proposals import PROPOSALS, Proposal, draw_log_weights, fit_guided, variance_ratios
from cdae.seeds import generator_from, spawn

CHUNK_ROWS = 1_000  # examples per pass; a constant, because results depend on it in their last bits
GUIDED_EXAMPLES, GUIDED_BATCH = 2_000, 100  # of the training data, for the two numbers per level
GUIDED_UPDATES, GUIDED_LEARNING_RATE = 300, 0.03

Settings = dict[str, Any]


def lower_bound(
    model: Bounded, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """Eq. 4 on the whole test split, averaged over `n_draws` draws of the latents, with the mean of every term."""
    if settings["n_draws"] < 1:
        raise ValueError(f"n_draws: got {settings['n_draws']}, expected at least 1")
    chunks = [_mean_terms(model, x, settings["n_draws"], generator) for x in data.test.split(CHUNK_ROWS)]
    terms = BoundTerms(
        torch.cat([c.reconstruction for c in chunks]),
        torch.cat([c.level_kl for c in chunks], dim=1),
        torch.cat([c.prior_kl for c in chunks]),
    )
    means = {"reconstruction": terms.reconstruction.mean().item(), "prior_kl": terms.prior_kl.mean().item()}
    means |= {f"level_kl_{i}": kl.mean().item() for i, kl in enumerate(terms.level_kl, start=1)}
    yield Estimate("", terms.total, torch.arange(len(data.test)), diagnostics={"mean_terms": means})


@torch.no_grad()
def _mean_terms(model: Bounded, x: Tensor, n_draws: int, generator: torch.Generator) -> BoundTerms:
    draws = [elbo(model, x, generator=generator) for _ in range(n_draws)]
    return BoundTerms(
        torch.stack([d.reconstruction for d in draws]).mean(0),
        torch.stack([d.level_kl for d in draws]).mean(0),
        torch.stack([d.prior_kl for d in draws]).mean(0),
    )


def importance_weighted(
    model: Weighted, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """IW-M (Eq. 11) on a random subset of the test split, the same for every model of a data set."""
    n_draws, indices = settings["n_importance_samples"], random_subset(data, settings)
    chunks = data.test[indices].split(CHUNK_ROWS)
    with torch.no_grad():
        weights = [log_importance_weights(model, x, n_importance_samples=n_draws, generator=generator) for x in chunks]
    log_weights = torch.cat(weights, dim=1)
    yield Estimate("", log_likelihood(log_weights), indices, n_draws, _weight_diagnostics(log_weights))


def random_subset(data: EvaluationSet, settings: Settings) -> Tensor:
    """Indices of `n_points` random test examples, sorted; a larger subset is not a continuation of a smaller one."""
    generator = generator_from(settings["subset_seed"])
    return torch.randperm(len(data.test), generator=generator)[: settings["n_points"]].sort().values


def _weight_diagnostics(log_weights: Tensor) -> dict[str, float]:
    return {
        "mean_effective_sample_size": effective_sample_size(log_weights).mean().item(),
        "mean_log_weight_std": log_weights.std(0, correction=0).mean().item(),
    }


def proposals(
    model: Cascade, data: EvaluationSet, settings: Settings, *, generator: torch.Generator
) -> Iterator[Estimate]:
    """The bound and IW-M of one trained cascade under several inference models, on the subset of `importance_weighted`.

    Of every inference model: the mean log weight (a lower bound on log p(x_0), as Eq. 4 is) and IW-M.
    """
    n_draws, indices = settings["n_importance_samples"], random_subset(data, settings)
    x = data.test[indices]
    fitting, *streams = spawn(generator, 1 + len(settings["names"]))
    papers_bound = None
    for name, stream in zip(settings["names"], streams, strict=True):
        proposal = _proposal(name, model, data, generator=fitting)
        with torch.no_grad():
            draws = [draw_log_weights(model, proposal, x, generator=stream) for _ in range(n_draws)]
        log_weights = torch.stack(draws)
        bound = log_weights.mean(0)
        diagnostics = {"largest_variance_ratio": variance_ratios(model, proposal).max().item()}
        diagnostics |= _weight_diagnostics(log_weights)
        if name == "paper":
            papers_bound = bound
        elif papers_bound is not None:
            gain = bound - papers_bound
            diagnostics |= {"gain": gain.mean().item(), "gain_standard_error": gain.std().item() / len(gain) ** 0.5}
        yield Estimate(f"{name}, bound", bound, indices, 1, diagnostics)
        yield Estimate(f"{name}, IW", log_likelihood(log_weights), indices, n_draws)


def _proposal(name: str, model: Cascade, data: EvaluationSet, *, generator: torch.Generator) -> Proposal:
    if name != "guided":
        return PROPOSALS[name]()
    examples = data.training.draw(generator=generator)
    examples = examples[torch.randperm(len(examples), generator=generator)[:GUIDED_EXAMPLES]]
    batches = examples.split(GUIDED_BATCH)
    return fit_guided(
        model,
        lambda update: batches[update % len(batches)],
        n_updates=GUIDED_UPDATES,
        learning_rate=GUIDED_LEARNING_RATE,
        generator=generator,
    )


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


ESTIMATORS: dict[str, tuple[type, Callable[..., Iterator[Estimate]]]] = {
    "exact": (Tractable, exact),
    "lower_bound": (Bounded, lower_bound),
    "importance_weighted": (Weighted, importance_weighted),
    "proposals": (Denoises, proposals),
    "parzen": (Samples, parzen_window),
}


def estimators_for(model_class: type) -> list[str]:
    """Names of the estimators that a class of models offers the methods for, in a fixed order."""
    return [name for name, (protocol, _) in ESTIMATORS.items() if issubclass(model_class, protocol)]
