"""Model weights on disk: safetensors, never pickles. The file's metadata hold the sha256 of its tensors."""

import hashlib
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cdae.computing.arrays import array_sha256
from cdae.computing.files import DamagedFileError, check_sha256, damage_named, written_whole


def state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the parameters and buffers of a model."""
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def save(model: nn.Module, path: str | Path) -> None:
    """Write the parameters and buffers of a model."""
    _write(state(model), path)


def save_snapshots(snapshots: dict[int, dict[str, Tensor]], path: str | Path) -> None:
    """Write several states of one model, by the number of updates after which it had them, to one file."""
    _write({f"{n_updates}/{name}": t for n_updates, state in snapshots.items() for name, t in state.items()}, path)


def load_snapshots(path: str | Path) -> dict[int, dict[str, Tensor]]:
    """Read what `save_snapshots` wrote: number of updates -> state, in increasing order.

    Raises:
        DamagedFileError: if the file is not safetensors, or its tensors are not those that were written.
    """
    snapshots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _read(path).items():
        n_updates, name = key.split("/", 1)
        snapshots.setdefault(int(n_updates), {})[name] = tensor
    return dict(sorted(snapshots.items()))


def load(model: nn.Module, path: str | Path) -> None:
    """Fill a model of the same architecture with the weights in `path`.

    Raises:
        DamagedFileError: if the file is not safetensors, its tensors are not those that were written, or the model has
            others.
    """
    tensors = _read(path)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise DamagedFileError(path, f"not the weights of this model ({error})") from error


def tensors_sha256(tensors: dict[str, Tensor]) -> str:
    """Return the sha256 of the names, the types, the shapes and the values of tensors, in whatever order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        identity = f"{name} {tensor.dtype} {tuple(tensor.shape)}"  # NumPy lacks some types: it is given the bytes
        digest.update(array_sha256(identity, tensor.reshape(-1).view(torch.uint8).numpy()).encode())
    return digest.hexdigest()


def _write(tensors: dict[str, Tensor], path: str | Path) -> None:
    with written_whole(path) as partial:
        safetensors.torch.save_file(tensors, partial, metadata={"sha256": tensors_sha256(tensors)})


def _read(path: str | Path) -> dict[str, Tensor]:
    with damage_named(path), safetensors.safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dictionary
        stated = (file.metadata() or {}).get("sha256")
    check_sha256(path, "tensors", stated, tensors_sha256(tensors))
    return tensors
