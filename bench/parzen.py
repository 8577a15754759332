"""Parzen windows for eleven bandwidths, against scikit-learn and against logsumexp of blocks of rows.

Either peer is a function of one bandwidth, called for each, as in the published code of the protocol. A peer's cost
grows with the number of points, so it is timed on some of them, and the seconds are scaled. What we answer has to agree
with float64 to 0.01 nats at every point checked, or its speed does not count.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.quantities import Measured
from bench.timing import Clock, clock, medians, seconds_of
from bench.workbench import Workbench
from cdae.data import TrainingSet
from cdae.estimators import parzen

GATE = 0.01  # nats per point
BANDWIDTHS = torch.logspace(-1.0, 0.0, 11, dtype=torch.float64)
BLOCK_ROWS = 100


def by_logsumexp(samples: Tensor, x: Tensor, bandwidths: Tensor) -> Tensor:
    """Log densities (bandwidths, n) in nats, in the dtype of the arguments, by blocks of rows of x."""
    dim, rows = samples.shape[1], []
    for block in x.split(BLOCK_ROWS):
        squared = torch.cdist(block, samples).square()
        rows.append(torch.stack([torch.logsumexp(-0.5 * squared / h**2, 1) for h in bandwidths.tolist()]))
    constant = math.log(len(samples)) + dim * (bandwidths.log() + 0.5 * math.log(2.0 * math.pi))
    return torch.cat(rows, 1) - constant[:, None]


def kernel_density(bandwidth: float, n_samples: int) -> Any:
    """scikit-learn's estimator with all samples in one leaf: its defaults answer wrongly in many dimensions."""
    from sklearn.neighbors import KernelDensity

    return KernelDensity(bandwidth=bandwidth, leaf_size=n_samples)


def sklearn_seconds(samples: np.ndarray, x: np.ndarray, n_points: int) -> Clock:
    """CPU seconds for n_points points, from fitting, and from scoring the points of x, which is scaled."""

    def run() -> float:
        fitting = scoring = 0.0
        for h in BANDWIDTHS.tolist():
            density = kernel_density(h, len(samples))
            fitting += seconds_of(lambda density=density: density.fit(samples))
            scoring += seconds_of(lambda density=density: density.score_samples(x))
        return fitting + scoring * n_points / len(x)

    return run


def largest_error(samples: Tensor, x: Tensor) -> float:
    """Return the largest error of our answers, in nats, against logsumexp in float64."""
    ours = parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS)
    return (ours - by_logsumexp(samples.double(), x.double(), BANDWIDTHS)).abs().max().item()


def pixels(images: np.ndarray, n: int) -> Tensor:
    return TrainingSet(torch.from_numpy(images[:n]), 256).pixels()


def windows(bench: Workbench) -> dict[str, Measured]:
    """Training images as samples, test images as points."""
    n, some, few = bench.sizes.n_parzen, bench.sizes.n_logsumexp, bench.sizes.n_sklearn
    samples, x = pixels(bench.images.train, n), pixels(bench.images.test, n)
    error = largest_error(samples, x[: bench.sizes.n_gate])
    separately = clock(lambda: [by_logsumexp(samples, x[:some], one) for one in BANDWIDTHS.split(1)])
    together = clock(lambda: by_logsumexp(samples, x[:some], BANDWIDTHS))
    tasks = {
        "ours": clock(lambda: parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS)),
        "logsumexp": lambda: separately() * n / some,
        "sharing": lambda: together() * n / some,
        "sklearn": sklearn_seconds(samples.double().numpy(), x[:few].double().numpy(), n),
    }
    seconds = medians(tasks, bench.n_repeats)
    shared = f"; {seconds['sharing']:.1f} s if its bandwidths shared their distances, as ours do"
    return {
        "parzen-sklearn": gated(seconds, "sklearn", few, n, error),
        "parzen-logsumexp": gated(seconds, "logsumexp", some, n, error, shared),
    }


def gated(seconds: dict[str, float], peer: str, n_timed: int, n: int, error: float, more: str = "") -> Measured:
    """The ratio, or none if an answer is off."""
    note = f"{seconds['ours']:.2f} s, mostly one matrix product and exp, the peer {seconds[peer]:,.1f} s "
    note += f"(from {n_timed:,} of {n:,} points){more}; at most {error:.4f} nats off float64"
    if error > GATE:
        return Measured(None, f"wrong by more than {GATE} nats: {note}")
    return Measured(seconds[peer] / seconds["ours"], note)
