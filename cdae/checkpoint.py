"""Storage of model weights in safetensors files, which hold no code, unlike pickles."""

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cdae.computing.files import written_whole


def state(model: nn.Module) -> dict[str, Tensor]:
    """Copy the parameters and buffers of a model, by name."""
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def save(model: nn.Module, path: str | Path) -> None:
    """Write the parameters and buffers of a model to `path`."""
    with written_whole(path) as partial:
        safetensors.torch.save_file(state(model), partial)


def save_snapshots(snapshots: dict[int, dict[str, Tensor]], path: str | Path) -> None:
    """Write several states of one model to one file.

    Args:
        snapshots: number of updates -> `state` of the model after them; may be empty.
    """
    tensors = {f"{n_updates}/{name}": t for n_updates, state in snapshots.items() for name, t in state.items()}
    with written_whole(path) as partial:
        safetensors.torch.save_file(tensors, partial)


def load_snapshots(path: str | Path) -> dict[int, dict[str, Tensor]]:
    """Read a file of `save_snapshots`: number of updates -> state, in increasing order."""
    snapshots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in safetensors.torch.load_file(path).items():
        n_updates, name = key.split("/", 1)
        snapshots.setdefault(int(n_updates), {})[name] = tensor
    return dict(sorted(snapshots.items()))


def load(model: nn.Module, path: str | Path) -> None:
    """Load the weights in `path` into a model of the same architecture.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not in safetensors format, or its tensors differ from the model's in name or shape.
    """
    try:
        model.load_state_dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path}: not the weights of this model ({error}); delete the file and run again") from error
