"""Conversion between nats and bits per dimension.

Levels y in 0 .. L-1 of d dimensions are dequantized to x = (y + u) / L, u ~ U[0, 1). A model may have the density of
x' = a x + b instead. Then

    bits per dimension = log2 L - log2 |a| - (log p(x') in nats) / (d ln 2)

Its mean over u is an upper bound on -log2 P(y) / d (Jensen's inequality). The offset b has no effect. Data without
intensity levels have no bits per dimension. Not here: averages, standard errors and empty cells of tables.
"""

import math
from typing import TypeVar

Values = TypeVar("Values")  # a float, or an array or tensor of any shape, converted entry by entry


def bits_per_dim(log_density: Values, *, dim: int, n_intensity_levels: int, slope: float = 1.0) -> Values:
    """Convert a log density in nats to bits per dimension.

    Args:
        log_density: log p(x') in nats, summed over the dimensions.
        dim: d, the number of dimensions of one example.
        n_intensity_levels: L, the number of intensity levels of the data.
        slope: a of the model's scale x' = a x + b, where x = (y + u) / L; 1 for data in [0, 1], L for y + u itself.

    Raises:
        ValueError: for dim below 1, fewer than 2 levels, or a slope that is 0 or not finite.
    """
    _check(dim, slope)
    _check_levels(n_intensity_levels)
    return math.log2(n_intensity_levels) - math.log2(abs(slope)) - log_density / (dim * math.log(2.0))


def nats(bits: Values, *, dim: int, n_intensity_levels: int, slope: float = 1.0) -> Values:
    """Convert bits per dimension to a log density in nats, as the inverse of `bits_per_dim` with the same arguments.

    Raises:
        ValueError: for dim below 1, fewer than 2 levels, or a slope that is 0 or not finite.
    """
    _check(dim, slope)
    _check_levels(n_intensity_levels)
    return dim * math.log(2.0) * (math.log2(n_intensity_levels) - math.log2(abs(slope)) - bits)


def change_scale(log_density: Values, *, dim: int, slope: float) -> Values:
    """Convert log p(x) to log p(x'), both in nats, where x' = slope * x + b. The slope 1 / slope converts back.

    Raises:
        ValueError: for dim below 1, or a slope that is 0 or not finite.
    """
    _check(dim, slope)
    return log_density - dim * math.log(abs(slope))


def _check(dim: int, slope: float) -> None:
    if dim < 1:
        raise ValueError(f"dim: got {dim}, expected at least 1; give the number of dimensions of one example")
    if slope == 0 or not math.isfinite(slope):
        raise ValueError(f"slope: got {slope}, expected a finite number other than 0")


def _check_levels(n_intensity_levels: int) -> None:
    if n_intensity_levels < 2:
        raise ValueError(
            f"n_intensity_levels: got {n_intensity_levels}, expected at least 2; data without levels have no bits per "
            "dimension"
        )
