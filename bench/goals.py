"""What is measured, against what, and how good it ought to be; the verdict on a number.

Every goal has two columns: `reach`, what is asked for, and `stretch`, the best seen without compiling anything.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One row of the table.

    Attributes:
        what, peer: what is measured, and what it is divided by ("" where it is divided by nothing).
        reach, stretch: in `unit`; stretch is None where no more than reach is asked for.
        unit: "x" a ratio, "%" a share of 1, "s" seconds, "GB", "M" millions.
        more_is_better: whether a number beyond `reach` is above or below it.
    """

    what: str
    peer: str
    reach: float
    stretch: float | None
    unit: str
    more_is_better: bool

    def fraction(self, value: float, of: float) -> float:
        """How much of a column is reached: 1 or more if it is, whichever way is better."""
        if self.more_is_better:
            return value / of
        return of / value if value > 0.0 else math.inf


@dataclass(frozen=True)
class Measured:
    """A number in the unit of its goal, or None; in a few words how it came about, or why there is none."""

    value: float | None
    note: str


LOOP = "DataLoader, ToTensor and default Adam, float32"
LIMIT = "torch.mm of the same shapes"

GOALS = {
    "training": Goal("training, batch 256", LOOP, 2.6, 3.1, "x", True),
    "training-free-batch": Goal("training, any batch size", LOOP, 5.0, 6.0, "x", True),
    "training-float32": Goal("training in float32, of the limit", LIMIT, 0.70, 0.76, "%", True),
    "levels": Goal("epoch at k = 100 over k = 1", "", 1.3, 1.1, "x", False),
    "parzen-sklearn": Goal("Parzen, 11 bandwidths", "scikit-learn, exact", 600.0, 750.0, "x", True),
    "parzen-logsumexp": Goal("Parzen, 11 bandwidths", "torch, row blocks, logsumexp", 9.0, 12.0, "x", True),
    "importance": Goal("importance weights, of the limit", LIMIT, 0.76, 0.82, "%", True),
    "annealing": Goal("annealing's gradients, of the limit", LIMIT, 0.60, 0.75, "%", True),
    "chains": Goal("chain's step over its forward pass", "", 1.3, 1.1, "x", False),
    "memory": Goal("peak memory of a job on MNIST", "", 1.5, 1.0, "GB", False),
    "again": Goal("finished default grid again", "", 2.0, 1.3, "s", False),
    "job": Goal("job beyond importing torch", "", 0.3, 0.1, "s", False),
    "grid": Goal("default grid, two cores over one", "", 1.7, 1.9, "x", True),
    "gpu-training": Goal("GPU: training, million examples/s", "", 2.0, None, "M", True),
    "gpu-parzen": Goal("GPU: Parzen, 11 bandwidths", "", 0.05, None, "s", False),
    "gpu-importance": Goal("GPU: importance weights, of the limit", LIMIT, 0.5, None, "%", True),
    "gpu-annealing": Goal("GPU: annealing's gradients, of the limit", LIMIT, 0.5, None, "%", True),
}


def verdict(goal: Goal, value: float) -> str:
    """Says "stretch reached", "reached" or by how much of `reach` it is missed."""
    if goal.stretch is not None and goal.fraction(value, goal.stretch) >= 1.0:
        return "stretch reached"
    if goal.fraction(value, goal.reach) >= 1.0:
        return "reached"
    return f"missed by {abs(value - goal.reach) / goal.reach:.0%}"


def written(value: float | None, unit: str) -> str:
    """A number with its unit, to three digits."""
    if value is None:
        return ""
    if unit == "%":
        return f"{100.0 * value:.0f}%"
    digits = f"{value:.0f}" if value >= 100.0 else f"{value:.3g}"
    return digits + ("x" if unit == "x" else f" {unit}")
