"""A denoiser's mean squared error at every level of a grid, MSE_j(c), per pixel j.

Not here: the denoiser that it is measured on (`pilot`), and what follows for a bound (`level_costs`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.arrays import read_npz, write_npz
from cdae.computing.chunks import EXAMPLES
from cdae.gaussian import standard_normal

SMALLEST = 1e-300  # the error whose logarithm stands for that of 0


@dataclass(frozen=True)
class ErrorCurve:
    """Errors on a grid of m increasing levels, in squared data units and float64.

    Attributes:
        relative_std: the levels c_1 < ... < c_m, in units of the data's pooled standard deviation.
        mse_train, mse_validation: (m, dim), on training examples and on validation examples.

    Raises:
        ValueError: unless the levels increase from above 0 and all errors are finite and not negative.
    """

    relative_std: Float[Tensor, "m"]
    mse_train: Float[Tensor, "m dim"]
    mse_validation: Float[Tensor, "m dim"]

    def __post_init__(self) -> None:
        ends = torch.cat([torch.zeros(1, dtype=torch.float64), self.relative_std])
        if not (ends.diff() > 0).all():
            raise ValueError(f"levels of a curve: got {self.relative_std.tolist()}, expected them to increase from 0")
        for name, mse in [("mse_train", self.mse_train), ("mse_validation", self.mse_validation)]:
            if not (mse.isfinite() & (mse >= 0)).all():
                raise ValueError(
                    f"{name}: got errors that are negative or not finite, expected squares; train the pilot again"
                )

    def with_level(self, relative_std: float) -> tuple["ErrorCurve", int]:
        """Return the curve with this very level on its grid, and the index of the level.

        Where the grid has not got it, the errors there are interpolated, linearly in log MSE over log c.

        Raises:
            ValueError: if the level lies outside the grid.
        """
        low, high = self.relative_std[0].item(), self.relative_std[-1].item()
        if not low <= relative_std <= high:
            raise ValueError(f"level: got {relative_std}, expected {low} to {high}, the ends of the curve; widen it")
        level = torch.tensor(relative_std, dtype=torch.float64)
        above = int(torch.searchsorted(self.relative_std, level))
        if self.relative_std[above] == level:
            return self, above
        ends = self.relative_std[above - 1 : above + 1].log()
        share = (level.log() - ends[0]) / (ends[1] - ends[0])

        def insert(values: Tensor, value: Tensor) -> Tensor:
            return torch.cat([values[:above], value[None], values[above:]])

        errors = [
            insert(mse, torch.lerp(*mse[above - 1 : above + 1].clamp(min=SMALLEST).log(), share).exp())
            for mse in (self.mse_train, self.mse_validation)
        ]
        return ErrorCurve(insert(self.relative_std, level), *errors), above


def save(curve: ErrorCurve | None, path: str | Path) -> None:
    """Write a curve as an npz file, which has no array if there is no curve."""
    arrays = {} if curve is None else {name: tensor.numpy() for name, tensor in vars(curve).items()}
    write_npz(path, arrays)


def load(path: str | Path) -> ErrorCurve:
    """Read what `save` wrote, of a curve.

    Raises:
        DamagedFileError: if the file is not the one that was written.
    """
    return ErrorCurve(**{name: torch.from_numpy(array) for name, array in read_npz(path).items()})


@torch.no_grad()
def measure_errors(
    denoise: Callable[[Tensor], Tensor],
    x: Float[Tensor, "n dim"],
    corruption_std: Float[Tensor, "m"],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "m dim"]:
    """Estimate E (x_0 - r(x_0 + c z))_j^2 for every level c and pixel j, from one draw of z for each example.

    All levels share the draw, so that differences between them are less random than the errors are.

    Args:
        corruption_std: in data units.
    """
    total = torch.zeros(len(corruption_std), x.shape[1], dtype=torch.float64, device=x.device)
    for chunk in x.split(EXAMPLES):
        noise = standard_normal(chunk, *chunk.shape, generator=generator)
        for i, c in enumerate(corruption_std.tolist()):
            total[i] += (chunk - denoise(chunk + c * noise)).square().sum(0, dtype=torch.float64)
    return total / len(x)
