"""Estimators that call the denoiser over and over: importance weights, annealing, and a single DAE's chain."""

import torch

from bench import products
from bench.quantities import Measured
from bench.timing import medians
from bench.workbench import Workbench
from cdae.certificates.trials import N_ROTATIONS
from cdae.estimators import annealing, importance
from cdae.estimators.course import Course
from cdae.estimators.gaussian_base import CascadeFit

N_LEVELS = 4
ANGLE = 0.1  # of a rotation, in radians


@torch.no_grad()
def importance_weights(bench: Workbench) -> dict[str, Measured]:
    """IW-M from images to its value in nats; its products are one forward pass per point, level and draw."""
    model, x, n_draws = bench.model(n_levels=N_LEVELS), bench.test_images(bench.sizes.n_points), bench.sizes.n_draws
    pairs = products.forward(N_LEVELS * len(x), products.widths(model), bench.device)
    generator = bench.generator("weights")

    def estimate() -> None:
        weights = importance.log_importance_weights(model, x, n_importance_samples=n_draws, generator=generator)
        importance.log_likelihood(weights)

    seconds = medians({"ours": bench.clock(estimate), "limit": products.limit(pairs, 1)}, bench.n_repeats)
    microseconds = 1e6 * seconds["ours"] / (N_LEVELS * len(x) * n_draws)
    note = f"{microseconds:.1f} µs per point, draw and level, with random numbers, nonlinearities and densities"
    return {"importance": share(products.flop(pairs) * n_draws / seconds["ours"], pairs, seconds["limit"], note)}


def share(speed: float, pairs: products.Pairs, limit_seconds: float, note: str) -> Measured:
    """Return the share of the speed of the products by themselves, both in FLOP/s."""
    limit = products.flop(pairs) / limit_seconds
    return Measured(speed / limit, f"{note}; {speed / 1e9:.0f} of {limit / 1e9:.0f} GFLOP/s")


def n_passes(n_distributions: int, n_rotations: int) -> int:
    """Forward passes that an annealing run equals in work.

    A value with its gradient is a forward pass and one back to the input, 2. One is needed at the start, and one at
    every rotation of a trajectory. With T distributions there are T - 1 trajectories.
    """
    return 2 * (1 + (n_distributions - 1) * n_rotations)


def annealed(bench: Workbench) -> dict[str, Measured]:
    """Forward annealing of one batch of points, from bases that are fitted before; and with forces as configured."""
    settings = bench.config["certify"]["annealing"]
    n, n_chains, reduced = bench.sizes.n_distributions, settings["n_chains"], settings["force_precision"]
    model = bench.trained(bench.model(n_levels=N_LEVELS), bench.sizes.n_annealed_updates)
    x, generator = bench.test_images(bench.sizes.n_annealed), bench.generator("annealing")
    base = CascadeFit(model, n_rounds=0, force_precision=reduced)(x, generator=bench.generator("base"))
    rows, layers = N_LEVELS * n_chains * len(x), products.widths(model)
    pairs = products.forward(rows, layers, bench.device) + products.input_gradients(rows, layers, bench.device)

    def run(precision: str) -> None:
        quiet, flown = (lambda line: None), any_course(precision)
        annealing.lower_bound(base, flown, n_distributions=n, n_chains=n_chains, generator=generator, progress=quiet)

    tasks = {
        "ours": bench.clock(lambda: run("highest")),
        "reduced": bench.clock(lambda: run(reduced)),
        "limit": products.limit(pairs, bench.sizes.n_products),
    }
    seconds = medians(tasks, bench.n_repeats)
    passes = n_passes(n, N_ROTATIONS)
    note = f"{rows} rows, {passes} passes of {products.flop(pairs) / 2.0 / rows / 1e6:.1f} MFLOP per row, in float32"
    note += f", with the maps of the bases, and densities in float64; forces in {reduced}, as configured, take "
    note += f"{seconds['reduced'] / seconds['ours']:.2f} times the time"
    speed = passes * products.flop(pairs) / 2.0 / seconds["ours"]
    return {"annealing": share(speed, pairs, seconds["limit"], note)}


def any_course(force_precision: str) -> Course:
    """A course that no pilot has flown: the work of a run is the same on all of them."""
    ends, angles = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.full((2,), ANGLE, dtype=torch.float64)
    return Course(ends, ends, angles, torch.ones_like(angles), N_ROTATIONS, force_precision)


@torch.no_grad()
def chains(bench: Workbench) -> dict[str, Measured]:
    """A step of many chains over a forward pass of as many rows."""
    model, n_steps, generator = bench.model("dae"), bench.sizes.n_steps, bench.generator("chains")
    x = bench.test_images(bench.sizes.n_chains)

    def walk() -> None:
        state = x
        for _ in range(n_steps):
            state = model.step(state, generator=generator)

    def passes() -> None:
        for _ in range(n_steps):
            model.reconstruct(x)

    seconds = medians({"walk": bench.clock(walk), "passes": bench.clock(passes)}, bench.n_repeats)
    per_row = {name: 1e6 * value / (n_steps * len(x)) for name, value in seconds.items()}
    note = f"{per_row['walk']:.1f} µs per chain and step, with two normal draws per pixel"
    note += f", a forward pass {per_row['passes']:.1f}; {len(x)} chains"
    return {"chains": Measured(seconds["walk"] / seconds["passes"], note)}
