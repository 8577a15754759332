"""Where tensors live: on the processor, or on an NVIDIA GPU.

On the processor numbers repeat bit for bit; on a GPU random numbers are its own, so results agree with the processor's
within their errors and the spread between seeds. Nothing else knows which of the two it runs on.
"""

import torch

DEVICES = ("auto", "cpu", "cuda")


def choose(name: str) -> torch.device:
    """The device of a name: "cpu", "cuda", or "auto", a GPU where there is one.

    Raises:
        ValueError: for another name, or "cuda" where torch finds no GPU.
    """
    if name not in DEVICES:
        raise ValueError(f"device: got {name!r}, expected one of {', '.join(DEVICES)}")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ValueError("device: got 'cuda', but torch finds no NVIDIA GPU here; write auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and has_gpu) else "cpu")
