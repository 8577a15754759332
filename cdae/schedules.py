"""The best corruption levels for a given number of them, by dynamic programming over a grid.

The cost of levels is a sum of terms of one level or of two neighbours (`level_costs`). So the best way to reach a level
as c_{i+1} goes through the best way to reach one below it as c_i, and all ways are searched in n_levels steps.
"""

import torch

from cdae.level_costs import LevelCosts


def best_levels(costs: LevelCosts, n_levels: int, *, last: int | None = None) -> tuple[int, ...]:
    """Return the indices on the grid, increasing, of the n_levels levels of least total cost.

    Of several best choices the one with the lowest last level is returned, and of these the one with the lowest level
    before it, and so on.

    Args:
        last: the index that c_k is fixed at; it is free if none is given.

    Raises:
        ValueError: if n_levels is below 1, or the grid has too few levels up to `last`; or if costs are NaN.
    """
    if any(part.isnan().any() for part in (costs.first, costs.pair.triu(1), costs.last)):
        raise ValueError("costs of levels: got NaN, expected numbers; look at the errors that they are made of")
    n_below = len(costs.first) if last is None else last + 1
    if not 1 <= n_levels <= n_below:
        raise ValueError(f"n_levels: got {n_levels}, expected 1 to {n_below}, the levels of the grid; make it finer")
    infinite = torch.full_like(costs.pair, torch.inf)
    step = costs.pair.where(infinite.triu(1) > 0, infinite)
    least, origins = costs.first, []
    for _ in range(n_levels - 1):
        through = least[:, None] + step
        origins.append(through.argmin(0))
        least = through.amin(0)
    levels = [int((least + costs.last).argmin()) if last is None else last]
    for origin in reversed(origins):
        levels.append(int(origin[levels[-1]]))
    return tuple(reversed(levels))
