"""Training: against a tutorial's loop, at any batch size, in float32 against the matrix products, and over levels.

An epoch is all of what `fit` does between two refits: dequantization, the refit of Eq. 9 and every update. The refit on
the whole training set at a training's end comes once, and is left out.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bench import products
from bench.quantities import Measured
from bench.timing import Clock, medians, stopwatch
from bench.tutorial import Loop
from bench.workbench import Workbench
from cdae.bound import elbo
from cdae.computing.precision import PRECISIONS
from cdae.training import REFIT_EXAMPLES, fit

SEEDS = (0, 1)  # of the trainings whose bounds are compared
N_LEVELS = 4


class Timed:
    """A model that notes the time of every refit by a stopwatch, and leaves out the last refit."""

    def __init__(self, model: Any, n_epochs: int, now: Callable[[], float] = time.process_time):
        self.model, self.n_epochs, self.now, self.times = model, n_epochs, now, []
        self.n_levels = model.n_levels

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        return self.model.parameters()

    def loss(self, x: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
        return self.model.loss(x, generator=generator)

    def refit(self, x: torch.Tensor, *, generator: torch.Generator) -> None:
        self.times.append(self.now())
        if len(self.times) <= self.n_epochs:
            self.model.refit(x, generator=generator)


def train(
    bench: Workbench, model: Any, *, batch_size: int, n_epochs: int = 1, precision: str = "", seed: int = 0
) -> float:
    """Seconds per example of our training; the learning rate grows with the root of the batch size."""
    settings, timed = bench.settings(), Timed(model, n_epochs, stopwatch(bench.device))
    fit(
        timed,
        bench.training_set,
        n_updates=n_epochs * math.ceil(len(bench.training_set) / batch_size),
        batch_size=batch_size,
        learning_rate=settings["learning_rate"] * math.sqrt(batch_size / settings["batch_size"]),
        generator=bench.generator("training", seed),
        matmul_precision=precision or settings["matmul_precision"],
        progress=lambda line: None,
    )
    return (timed.times[-1] - timed.times[0]) / (n_epochs * len(bench.training_set))


def ours(bench: Workbench, *, batch_size: int, n_levels: int = N_LEVELS, precision: str = "") -> Clock:
    model = bench.model(n_levels=n_levels)
    return lambda: train(bench, model, batch_size=batch_size, precision=precision)


def loop(bench: Workbench, seed: int = 0) -> Loop:
    settings, model = bench.settings(), bench.model(n_levels=N_LEVELS, seed=seed)
    rate, batch_size = settings["learning_rate"], settings["batch_size"]
    n_epochs = bench.sizes.n_epochs
    return Loop(model, bench.images.train, batch_size=batch_size, learning_rate=rate, n_epochs=n_epochs)


def training(bench: Workbench) -> dict[str, Measured]:
    """As configured, per example, against the tutorial's loop; and in the other precisions."""
    peer, size, configured = loop(bench), bench.settings()["batch_size"], bench.settings()["matmul_precision"]
    tasks = {name: ours(bench, batch_size=size, precision=name) for name in PRECISIONS}
    tasks["peer"] = lambda: peer.run(bench.sizes.n_loop_updates)
    seconds = medians(tasks, bench.n_repeats)
    speeds = ", ".join(f"{1.0 / seconds[name]:,.0f} in {name}" for name in PRECISIONS)
    note = f"{speeds} examples per second, the loop {1.0 / seconds['peer']:,.0f}; the ratio is that of {configured}"
    return {"training": Measured(seconds["peer"] / seconds[configured], note)}


def free_batch(bench: Workbench) -> dict[str, Measured]:
    """At our fastest batch size with as good a bound as the loop's after as many epochs; as configured if none has."""
    peer, configured = loop(bench), bench.settings()["batch_size"]
    sizes = (*bench.sizes.batch_sizes, configured)
    tasks = {str(size): ours(bench, batch_size=size) for size in sizes}
    tasks["peer"] = lambda: peer.run(bench.sizes.n_loop_updates)
    seconds = medians(tasks, bench.n_repeats)
    peers = [loop_bound(bench, seed) for seed in SEEDS]
    bounds = {size: [our_bound(bench, size, seed) for seed in SEEDS] for size in sizes}
    as_good = [size for size in sizes if not is_worse(bounds[size], peers)]
    best = min(as_good or [configured], key=lambda size: seconds[str(size)])
    note = f"batch {best}; bounds of two seeds after {bench.sizes.n_epochs} epochs, in nats: the loop {in_nats(peers)}"
    for size in sizes:
        note += f", batch {size} {in_nats(bounds[size])} at {1.0 / seconds[str(size)]:,.0f} examples per second"
    return {"training-free-batch": Measured(seconds["peer"] / seconds[str(best)], note)}


def is_worse(ours: list[float], peers: list[float]) -> bool:
    """Whether our bounds, one per seed, are worse than the peer's by more than seeds differ."""
    return statistics.mean(peers) - statistics.mean(ours) > max(max(b) - min(b) for b in (ours, peers))


def in_nats(bounds: list[float]) -> str:
    return " and ".join(f"{bound:.0f}" for bound in bounds)


def our_bound(bench: Workbench, batch_size: int, seed: int) -> float:
    model = bench.model(n_levels=N_LEVELS, seed=seed)
    train(bench, model, batch_size=batch_size, n_epochs=bench.sizes.n_epochs, seed=seed)
    return bound(bench, model)


def loop_bound(bench: Workbench, seed: int) -> float:
    peer = loop(bench, seed)
    for _ in range(bench.sizes.n_epochs):
        refit(bench, peer.model, REFIT_EXAMPLES)
        peer.run(len(peer.loader))
    return bound(bench, peer.model)


def refit(bench: Workbench, model: Any, n: int) -> None:
    generator = bench.generator("refit")
    model.refit(bench.training_set.draw(generator=generator)[:n], generator=generator)


@torch.no_grad()
def bound(bench: Workbench, model: Any) -> float:
    """Mean lower bound of test images in nats, after a refit on as many training images."""
    n = bench.sizes.n_bound
    refit(bench, model, n)
    return elbo(model, bench.test_images(n), generator=bench.generator("bound")).total.mean().item()


def float32(bench: Workbench) -> dict[str, Measured]:
    """Time of the matrix products of an epoch, by themselves, over the time of the epoch."""
    batch_size, layers = bench.settings()["batch_size"], products.widths(bench.model())
    n_rows = min(REFIT_EXAMPLES, len(bench.training_set)) * N_LEVELS
    step, refresh = products.update(batch_size, layers), products.forward(n_rows, layers)
    tasks = {"epoch": ours(bench, batch_size=batch_size, precision="highest")}
    tasks["step"] = products.limit(step, bench.sizes.n_products)
    seconds = medians(tasks, bench.n_repeats)
    limit = products.flop(step) / seconds["step"]
    n = len(bench.training_set)
    work = products.flop(step) * n / batch_size + products.flop(refresh)
    note = f"{work / (seconds['epoch'] * n) / 1e9:.0f} of {limit / 1e9:.0f} GFLOP/s, batch {batch_size}"
    note += ", with Adam, random numbers and nonlinearities"
    return {"training-float32": Measured(work / (seconds["epoch"] * n) / limit, note)}


def levels(bench: Workbench) -> dict[str, Measured]:
    """An epoch with its refit of all levels: the loss draws one level per example, the refit visits every one."""
    batch_size, many = bench.settings()["batch_size"], bench.sizes.many_levels
    tasks = {str(k): ours(bench, batch_size=batch_size, n_levels=k) for k in (1, many)}
    seconds = medians(tasks, bench.n_repeats)
    note = ", ".join(f"{seconds[str(k)] * len(bench.training_set):.2f} s at k = {k}" for k in (1, many))
    note += ", with a refit that visits every level"
    return {"levels": Measured(seconds[str(many)] / seconds["1"], note)}
