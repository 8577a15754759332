"""The precision of matrix products.

    highest     float32 throughout
    medium      float32, where torch may round the factors to bfloat16
    bfloat16    as medium, and linear layers compute in bfloat16 during updates

With "medium", torch rounds where the processor has fast bfloat16 products (AMX: several times as fast). With AVX-512
alone the products keep float32 precision in effect (relative error 4e-7, measured), but another library computes them,
which can be twice as fast. Layers in bfloat16 are twice as fast again. Likelihoods and weights are always computed at
"highest". Training may use less, and so may the forces of a Markov chain, whose acceptance step corrects for them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

PROCESSOR = torch.device("cpu")
PRECISIONS = ("highest", "medium", "bfloat16")


@contextmanager
def matmul_precision(name: str, device: torch.device = PROCESSOR) -> Iterator[None]:
    """Set the precision of float32 matrix products within the context, and restore the earlier one after it.

    The name "highest" keeps float32 throughout. The names "medium" and "bfloat16" allow bfloat16 factors with float32
    sums; on a GPU the factors are TensorFloat32. A processor without bfloat16 products would emulate them, so there
    every name means "highest".
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if is_reduced(name, device) else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def layers(name: str, device: torch.device = PROCESSOR) -> torch.autocast:
    """Return a context in which linear layers compute in bfloat16, with float32 parameters, if the name is "bfloat16".

    For other names, and on a processor without bfloat16 products, the context changes nothing. Open it anew for each
    update: the bfloat16 copies of the weights are kept until it ends.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16" and is_reduced(name, device))


@cache
def has_bfloat16_products() -> bool:
    """Tell whether the processor has instructions for bfloat16 products."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def is_reduced(name: str, device: torch.device = PROCESSOR) -> bool:
    """Tell whether matrix products under this name may have less than float32 precision on this device."""
    return name != "highest" and (device.type == "cuda" or has_bfloat16_products())
