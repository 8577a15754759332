"""Estimators that call the denoiser over and over: importance weights, annealing, and a single DAE's chain."""

import torch

from bench import products
from bench.quantities import Measured
from bench.timing import medians
from bench.workbench import Workbench
from cdae.estimators import annealing, importance
from cdae.estimators.paths import CascadePath, linear_schedule
from cdae.estimators.proposals import Guided
from cdae.estimators.step_sizes import StepSizes

N_LEVELS, N_LEAPFROG = 4, 5
STEP_SIZE = 0.1  # of a trajectory, in units of a level's std; any will do, since the work is the same


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


def n_passes(n_distributions: int, n_leapfrog: int) -> int:
    """Forward passes that the gradients of an annealing run equal in work.

    A gradient is a forward pass and one back to the input, 2; where both ends' gradients are wanted, at the start and
    at the end of every trajectory, there are two back, 3. With T distributions there are T - 1 trajectories.
    """
    return 3 + (n_distributions - 1) * (2 * (n_leapfrog - 1) + 3)


def annealed(bench: Workbench) -> dict[str, Measured]:
    """Forward annealing of one chunk of points, one chain each, with the guided inference model."""
    model, n = bench.model(n_levels=N_LEVELS), bench.sizes.n_distributions
    x, betas = bench.test_images(bench.sizes.n_annealed), linear_schedule(n)
    path = CascadePath(model, Guided(torch.ones_like(model.corruption_std[1:]), model.corruption_std[1:]))
    sizes = torch.full_like(betas, STEP_SIZE)
    steps = StepSizes(betas, sizes, torch.ones_like(sizes), N_LEAPFROG)
    generator, rows, layers = bench.generator("annealing"), N_LEVELS * len(x), products.widths(model)
    pairs = products.forward(rows, layers, bench.device) + products.input_gradients(rows, layers, bench.device)

    def run() -> None:
        quiet = lambda line: None  # noqa: E731
        annealing.log_weights(path, x, betas, steps, n_chains=1, generator=generator, progress=quiet)

    tasks = {"ours": bench.clock(run), "limit": products.limit(pairs, bench.sizes.n_products)}
    seconds = medians(tasks, bench.n_repeats)
    passes = n_passes(n, N_LEAPFROG)
    note = f"{rows} rows, {passes} passes of {products.flop(pairs) / 2.0 / rows / 1e6:.1f} MFLOP per row"
    note += ", with densities in float64 and their gradients"
    speed = passes * products.flop(pairs) / 2.0 / seconds["ours"]
    return {"annealing": share(speed, pairs, seconds["limit"], note)}


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
