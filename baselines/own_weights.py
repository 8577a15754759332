"""Weights that a user's own model was trained to elsewhere: safetensors, or a state dict saved by torch.

Files of torch are read with `weights_only=True`, so nothing in them is run.
"""

import pickle
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from baselines.own_methods import WEIGHTS

MOST_NAMES = 3  # of tensors that a message shows


def load_weights(model: Any, path: str) -> None:
    """Fill a model with the weights in a file, all of them.

    Raises:
        ValueError: if the file cannot be read, or holds other tensors than the model has.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"weights: got {path!r} for a {type(model).__name__}, expected a torch.nn.Module; derive it")
    tensors, own = read_weights(path), model.state_dict()
    missing, unknown = sorted(set(own) - set(tensors)), sorted(set(tensors) - set(own))
    if missing or unknown:
        raise ValueError(
            f"{path}: lacks {_some(missing)} and has {_some(unknown)} in excess, expected the state of the model that "
            "the options build; correct the options, or save model.state_dict() of this class"
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise ValueError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, expected {tuple(own[name].shape)} as the model that "
                "the options build; correct the options"
            )
    model.load_state_dict(tensors)


def read_weights(path: str) -> dict[str, Tensor]:
    """Tensors by name, on the processor.

    A file of torch may hold the state dict itself, or have it as `state_dict`.

    Raises:
        ValueError: in one line, for all that can be wrong with the file.
    """
    suffix = Path(path).suffix
    if suffix not in WEIGHTS or not Path(path).is_file():
        raise ValueError(f"weights: got {path!r}, expected an existing file that ends in {' or '.join(WEIGHTS)}")
    try:
        read = safetensors.torch.load_file if suffix == ".safetensors" else _read_torch
        saved = read(path)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:  # torch's own text advises to unpickle it
        raise ValueError(
            f"{path}: cannot be read as tensors alone (it is damaged, or holds more, such as a whole model, which is "
            "not unpickled, because that can run code), expected a state dict of tensors; save model.state_dict()"
        ) from error
    except Exception as error:  # a damaged file makes its parsers raise almost anything
        why = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{path}: cannot be read ({type(error).__name__}: {why}), expected safetensors or a state dict of tensors; "
            "save model.state_dict() again"
        ) from error
    if isinstance(saved, dict) and isinstance(saved.get("state_dict"), dict):
        saved = saved["state_dict"]
    if not isinstance(saved, dict) or not saved or not all(isinstance(value, Tensor) for value in saved.values()):
        got = f"the keys {_some(sorted(map(str, saved)))}" if isinstance(saved, dict) else f"a {type(saved).__name__}"
        raise ValueError(f"{path}: holds {got}, expected tensors by name; save model.state_dict()")
    return dict(saved)


def _read_torch(path: str) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _some(names: list[str]) -> str:
    if not names:
        return "nothing"
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
