"""Euclidean distances between the rows of two arrays, and nearest neighbours, block by block.

A block of squared distances comes from one matrix product, |x|^2 + |y|^2 - 2 x . y, with the mean of y as the origin,
where the terms are small and lose the fewest digits. Nothing of size n x m is held beyond a block.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.gaussian import squared_norm

BLOCK_ELEMENTS = 4_000_000  # distances of a block; a constant for equal results


def squared_distances(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Iterator[Float[Tensor, "rows m"]]:
    """Yield the squared distances of the rows of x from all rows of y, in blocks of rows, never negative.

    They are computed in the precision of x. The value of rows that are equal need not be 0 exactly: in float64 it is
    about 1e-16 of their squared norm, in float32 about 1e-7.
    """
    origin = y.double().mean(0)
    y = (y.double() - origin).to(x.dtype)
    norms = squared_norm(y).to(x.dtype)
    for block in x.split(max(1, BLOCK_ELEMENTS // len(y))):
        part = (block.double() - origin).to(x.dtype)
        squared = torch.addmm(norms, part, y.T, alpha=-2.0) + squared_norm(part).to(x.dtype)[:, None]
        yield squared.clamp_(min=0.0)


def nearest(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"], *, excluded: Int[Tensor, "n"] | None = None
) -> tuple[Float[Tensor, "n"], Int[Tensor, "n"]]:
    """Return the distance of every row of x from the nearest row of y, and the index of that row.

    The distance is computed anew from the two rows in float64, so it is 0 for equal ones. Of rows that are equally near
    but for the rounding of `squared_distances`, any may be found.

    Args:
        excluded: for every row of x the index of a row of y that does not count, such as itself.
    """
    found, start = [], 0
    for squared in squared_distances(x, y):
        if excluded is not None:
            rows = torch.arange(len(squared), device=x.device)
            squared[rows, excluded[start : start + len(squared)]] = torch.inf
        found.append(squared.argmin(1))
        start += len(squared)
    index = torch.cat(found)
    return squared_norm(x.double() - y[index].double()).sqrt(), index


def radii(x: Float[Tensor, "n dim"], n_neighbours: int) -> Float[Tensor, "n"]:
    """Return the squared distance of every row of x from its k-th nearest other row, k = n_neighbours.

    Raises:
        ValueError: unless there are more than k rows.
    """
    if not 1 <= n_neighbours < len(x):
        raise ValueError(
            f"n_neighbours: got {n_neighbours}, expected 1 to {len(x) - 1}, fewer than the {len(x)} examples; lower "
            "it or take more examples"
        )
    found, start = [], 0
    for squared in squared_distances(x, x):
        rows = torch.arange(len(squared), device=x.device)
        squared[rows, rows + start] = torch.inf  # itself
        found.append(squared.kthvalue(n_neighbours, dim=1).values)
        start += len(squared)
    return torch.cat(found)
