"""Seeds derived from names: equal names give equal random numbers, in any order of jobs and on any number of cores."""

import hashlib

import torch


def seed_from(*identity: str | int) -> int:
    """Return a 63-bit seed that is a hash of words, such as (base seed, data set, model, replicate, "sampling")."""
    digest = hashlib.sha256("\x1f".join(map(str, identity)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_from(*identity: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a random number generator on the device, seeded by `seed_from`."""
    return torch.Generator(device).manual_seed(seed_from(*identity))


def spawn(generator: torch.Generator, n: int) -> list[torch.Generator]:
    """Return n generators with independent streams, seeded by draws from `generator`."""
    seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device).tolist()
    return [torch.Generator(generator.device).manual_seed(seed) for seed in seeds]
