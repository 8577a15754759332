"""What is measured, and against what: ratios over peers, shares of the machine's limits, and plain figures."""

from dataclasses import dataclass

FASTER, LONGER, SMALLER, SHARE = "times as fast", "times as long", "times smaller", "of the limit"


@dataclass(frozen=True)
class Quantity:
    """What a number of the benchmark is.

    Attributes:
        what, peer: what is measured, and the peer or limit that it is divided by ("" for a plain figure).
        unit: FASTER, the peer's seconds over ours; LONGER, ours over the peer's;
            SMALLER, the peer's number over ours; SHARE, of 1; else that of the figure.
    """

    what: str
    peer: str
    unit: str


@dataclass(frozen=True)
class Measured:
    """A number in the unit of its quantity, or None; in a few words how it came about, or why there is none."""

    value: float | None
    note: str


LOOP = "tutorial's loop, float32"
LIMIT = "torch.mm of the same shapes"

QUANTITIES = {
    "training": Quantity("training, batch 256", LOOP, FASTER),
    "training-free-batch": Quantity("training, best batch size", LOOP, FASTER),
    "training-float32": Quantity("training, float32", LIMIT, SHARE),
    "levels": Quantity("epoch at k = 100", "epoch at k = 1", LONGER),
    "parzen-sklearn": Quantity("Parzen, 11 bandwidths", "scikit-learn, exact", FASTER),
    "parzen-logsumexp": Quantity("Parzen, 11 bandwidths", "torch, row blocks, logsumexp", FASTER),
    "importance": Quantity("importance weights", LIMIT, SHARE),
    "annealing": Quantity("annealing's gradients", LIMIT, SHARE),
    "annealing-tutorial": Quantity("annealing, gap times CPU time", "tutorial's annealing", SMALLER),
    "chains": Quantity("step of a DAE's chain", "its forward pass", LONGER),
    "memory": Quantity("peak memory of a job on MNIST", "", "GB"),
    "again": Quantity("finished default grid again", "", "s"),
    "job": Quantity("smallest job", "importing torch", LONGER),
    "grid": Quantity("default grid on two cores", "one core", FASTER),
    "gpu-training": Quantity("GPU: training", "", "million examples/s"),
    "gpu-parzen": Quantity("GPU: Parzen, 11 bandwidths", "", "s"),
    "gpu-importance": Quantity("GPU: importance weights", LIMIT, SHARE),
    "gpu-annealing": Quantity("GPU: annealing's gradients", LIMIT, SHARE),
}


def digits(value: float, unit: str) -> str:
    """A number to three digits, a share in percent."""
    if unit == SHARE:
        return f"{value:.0%}"
    return f"{value:.0f}" if value >= 100.0 else f"{value:#.3g}"


def written(value: float | None, unit: str) -> str:
    """A number with its unit."""
    return "none" if value is None else f"{digits(value, unit)} {unit}"
