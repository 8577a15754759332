"""The device of the tensors: the CPU or an NVIDIA GPU.

On a CPU, results repeat bit for bit. A GPU draws other random numbers, so its results agree with those of a CPU within
their errors and the spread between seeds. All other modules take the device of their arguments.
"""

import torch

DEVICES = ("auto", "cpu", "cuda")


def choose(name: str) -> torch.device:
    """Return the device that a name means: "cpu", "cuda", or "auto", which is a GPU if there is one, else the CPU.

    Raises:
        ValueError: for another name, or for "cuda" if torch finds no GPU.
    """
    if name not in DEVICES:
        raise ValueError(f"device: got {name!r}, expected one of {', '.join(DEVICES)}")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise ValueError("device: got 'cuda', but torch finds no NVIDIA GPU here; write auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and has_gpu) else "cpu")
