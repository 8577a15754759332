"""Weights of a model that was trained elsewhere: all of them, of the right shapes, and nothing in their file is run."""

import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from baselines.own_weights import load_weights, read_weights


@pytest.fixture
def linear():
    """A layer whose weights are its own; those of torch's global numbers are not drawn."""
    layer = nn.utils.skip_init(nn.Linear, 2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(6.0).reshape(3, 2))
        layer.bias.copy_(torch.arange(3.0))
    return layer


def empty():
    layer = nn.utils.skip_init(nn.Linear, 2, 3)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    return layer


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth", "nested.pt"])
def test_weights_are_read_from_either_sort_of_file(tmp_path, linear, name):
    path, state = tmp_path / name, linear.state_dict()
    if name.endswith("safetensors"):
        safetensors.torch.save_file(state, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if name == "nested.pt" else state, path)
    other = empty()
    load_weights(other, str(path))
    assert torch.equal(other.weight, linear.weight) and torch.equal(other.bias, linear.bias)


class Evil:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(pickle.dumps(Evil())), "cannot be read"),
        (lambda path: torch.save({"a": Evil()}, path), "which is not unpickled, because that can run code"),
        (lambda path: torch.save(nn.Identity(), path), "such as a whole model, which is not unpickled"),
        (lambda path: torch.save({}, path), "expected tensors by name"),
        (lambda path: torch.save([1], path), "holds a list, expected tensors by name"),
        (lambda path: torch.save({"model": {}, "epoch": 1}, path), "the keys epoch, model, expected tensors by name"),
        (lambda path: torch.save({"weight": torch.zeros(3, 2)}, path), "lacks bias and has nothing in excess"),
        (lambda path: torch.save({f"w{i}": torch.zeros(1) for i in range(5)}, path), "w0, w1, w2 and 2 more in excess"),
        (
            lambda path: torch.save({"weight": torch.zeros(3, 2), "bias": torch.zeros(4)}, path),
            r"bias has shape \(4,\), expected \(3,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, capsys, write, expected):
    path = tmp_path / "w.pt"
    write(path)
    with pytest.raises(ValueError, match=expected) as caught:
        load_weights(empty(), str(path))
    assert "\n" not in str(caught.value) and "run" not in capsys.readouterr().out.split()


@pytest.mark.parametrize("name", ["none.pt", "there.npz"])
def test_only_existing_files_of_known_sorts_are_read(tmp_path, name):
    (tmp_path / "there.npz").touch()
    with pytest.raises(ValueError, match=r"expected an existing file that ends in \.safetensors or \.pt or \.pth"):
        read_weights(str(tmp_path / name))


def test_a_model_without_parameters_has_no_weights():
    with pytest.raises(ValueError, match=r"expected a torch\.nn\.Module"):
        load_weights(object(), "w.pt")
