"""Random numbers by purpose from one generator: the numbers of one purpose do not depend on which others are asked for.

Jobs derive theirs from the names of a cell (`computing.seeds`).
"""

from collections.abc import Callable

import torch

from cdae.computing.seeds import generator_from

SEEDS = 2**62  # below which seeds are drawn


def by_purpose(generator: torch.Generator) -> Callable[[str], torch.Generator]:
    """A function from a purpose to its random numbers, on the generator's device; it draws from the generator once."""
    seed = int(torch.randint(SEEDS, (), generator=generator, device=generator.device))
    return lambda purpose: generator_from(seed, purpose, device=generator.device)
