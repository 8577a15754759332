"""How exactly matrix products are taken: float32 throughout, with leave to use bfloat16 factors, or in bfloat16.

torch takes the leave where the processor has fast ones (AMX: several times as fast). With AVX-512 alone the products
stay float32 in effect (4e-7 off, measured), but go to another library, which can be twice as fast. Layers in bfloat16
are twice as fast again. Likelihoods and weights are always computed at "highest"; training, and the forces of a Markov
chain that corrects for them, may do with less.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

PROCESSOR = torch.device("cpu")
PRECISIONS = ("highest", "medium", "bfloat16")


@contextmanager
def matmul_precision(name: str, device: torch.device = PROCESSOR) -> Iterator[None]:
    """float32 matrix products "highest" (float32 throughout) or else "medium" (bfloat16 factors allowed, float32 sums).

    On a processor without bfloat16 products, where they would be emulated, everything is as "highest". A GPU takes
    TensorFloat32 factors.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if is_reduced(name, device) else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def layers(name: str, device: torch.device = PROCESSOR) -> torch.autocast:
    """Linear layers with inputs, weights and answers in bfloat16, and parameters in float32, if that is the name.

    For one update at a time: the copies of the weights are kept until the context ends.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16" and is_reduced(name, device))


@cache
def has_bfloat16_products() -> bool:
    """Whether this processor multiplies bfloat16 numbers itself."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def is_reduced(name: str, device: torch.device = PROCESSOR) -> bool:
    """Whether products under this name are not float32 throughout, on this device."""
    return name != "highest" and (device.type == "cuda" or has_bfloat16_products())
