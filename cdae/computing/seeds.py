"""Seeds from identity: the same words give the same numbers, in whatever order and on however many cores jobs run."""

import hashlib

import torch


def seed_from(*identity: str | int) -> int:
    """A 63-bit seed from the words that name a purpose, such as (base seed, data set, model, replicate, "sampling")."""
    digest = hashlib.sha256("\x1f".join(map(str, identity)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_from(*identity: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of the device's own random numbers, seeded by `seed_from`."""
    return torch.Generator(device).manual_seed(seed_from(*identity))


def spawn(generator: torch.Generator, n: int) -> list[torch.Generator]:
    """n generators seeded by draws from `generator`, so that their streams are used independently of one another."""
    seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device).tolist()
    return [torch.Generator(generator.device).manual_seed(seed) for seed in seeds]
