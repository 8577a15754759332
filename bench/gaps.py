"""Annealing of a VAE against a tutorial's, by gap times CPU time: both bounds on data that the model has simulated.

The gap is upper minus lower bound. For chains that mix well twice the temperatures take twice the time and halve the
gap, so the two are multiplied. The numbers of temperatures are such that both gaps are about equal, and then the ratio
is one of times. Time is that of both directions, and ours has the fit of the bases and the pilot in it. Every round has
random numbers of its own, and the gap is the mean of all rounds.
"""

import contextlib
import io
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench import tutorial_annealing
from bench.quantities import Measured
from bench.timing import medians
from bench.workbench import Workbench
from cdae.certificates.trials import N_PILOT_CHAINS, N_PILOT_POINTS, N_ROTATIONS
from cdae.estimators import course
from cdae.estimators.gaussian_base import DecoderFit
from cdae.estimators.sandwich import Annealing

Bounds = Callable[[], tuple[Tensor, Tensor]]  # lower and upper, (n,), in nats


def over_a_tutorials(bench: Workbench) -> dict[str, Measured]:
    """One VAE, the same simulated points, as many chains per point for both."""
    model = bench.trained(bench.model("vae", hidden_sizes=bench.sizes.vae_hidden_sizes), bench.sizes.n_vae_updates)
    x, latents = model.simulate(bench.sizes.n_simulated, generator=bench.generator("simulated"))
    bounds = {"ours": ours(bench, model, x, latents), "peer": peer(bench, model, x, latents)}
    gaps: dict[str, list[Tensor]] = {name: [] for name in bounds}

    def one_round(name: str) -> None:
        lower, upper = bounds[name]()
        gaps[name].append(upper.double() - lower.double())

    tasks = {name: bench.clock(lambda name=name: one_round(name)) for name in bounds}
    seconds = medians(tasks, bench.n_repeats)
    note = f"{len(x)} points, {n_chains(bench)} chains each; ours {bench.sizes.n_gap_distributions} distributions"
    note += f", the peer {bench.sizes.n_temperatures}, both in float32"
    mean = {name: torch.stack(rounds).mean(0) for name, rounds in gaps.items()}
    return {"annealing-tutorial": compared(mean, seconds, note)}


def n_chains(bench: Workbench) -> int:
    return bench.config["certify"]["annealing"]["n_chains"]


def ours(bench: Workbench, model: Any, x: Tensor, latents: Tensor) -> Bounds:
    """The bases of these points, a pilot on test images, and both directions along its course."""
    fit, pilots, generator = DecoderFit(model), bench.test_images(N_PILOT_POINTS), bench.generator("gap, ours")

    def bounds() -> tuple[Tensor, Tensor]:
        with contextlib.redirect_stderr(io.StringIO()):  # lines of progress
            flown = course.pilot(
                fit(pilots, generator=generator),
                n_chains=N_PILOT_CHAINS,
                n_steps=N_ROTATIONS,
                force_precision="highest",
                generator=generator,
            )
            annealing = Annealing(fit, flown, bench.sizes.n_gap_distributions, n_chains(bench))
            sides = annealing.both_sides(x, latents, generator=generator)
        return sides.log_weights[0], sides.upper

    return bounds


def peer(bench: Workbench, model: Any, x: Tensor, latents: Tensor) -> Bounds:
    """As many chains per point as ours."""
    sizes = {"n_temperatures": bench.sizes.n_temperatures, "n_chains": n_chains(bench)}
    generator = bench.generator("gap, peer")
    return lambda: tutorial_annealing.both_bounds(model, x, latents, **sizes, generator=generator)


def compared(gaps: dict[str, Tensor], seconds: dict[str, float], note: str) -> Measured:
    """The peer's product over ours, from the gaps (n,) of "ours" and "peer" in nats; none where ours is not above 0."""
    mean = {name: gap.mean().item() for name, gap in gaps.items()}
    told = {
        name: f"gap {mean[name]:.3g} ± {gap.std().item() / math.sqrt(len(gap)):.2g} nats in {seconds[name]:.2f} s"
        for name, gap in gaps.items()
    }
    note = f"{note}; ours {told['ours']}, fit and pilot included, the peer {told['peer']}"
    if not mean["ours"] > 0.0:
        return Measured(None, f"our gap is not above 0, so repeat with more points: {note}")
    if mean["peer"] < 0.0:
        note += "; its gap is below 0, since adapting step sizes can break its bounds, and its size counts"
    return Measured(abs(mean["peer"]) * seconds["peer"] / (mean["ours"] * seconds["ours"]), note)
