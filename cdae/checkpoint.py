"""Model weights on disk: safetensors, never pickles."""

from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from cdae.files import written_whole


def save(model: nn.Module, path: str | Path) -> None:
    """Write the parameters and buffers of a model."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    with written_whole(path) as partial:
        safetensors.torch.save_file(tensors, partial)


def load(model: nn.Module, path: str | Path) -> None:
    """Fill a model of the same architecture with the weights in `path`.

    Raises:
        ValueError: if the file is not safetensors, or holds other tensors than the model has.
    """
    try:
        model.load_state_dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path}: not the weights of this model ({error}); delete the file and run again") from error
