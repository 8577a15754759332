"""Weights on disk: what is loaded is what was saved, and anything else is refused by name."""

import pytest
import safetensors.torch
import torch

from cdae import checkpoint
from cdae.computing.files import DamagedFileError
from cdae.data import TrainingSet
from cdae.model import CDAE
from tests.helpers import CDAE_OPTIONS, seeded


def build(seed: int, **changed) -> CDAE:
    data = TrainingSet(torch.randn(50, 4, generator=seeded(0)))
    return CDAE.build(CDAE_OPTIONS | changed, data, generator=seeded(seed))


def test_loading_restores_every_parameter_and_buffer(tmp_path):
    """Bit for bit, also the variances that are fitted in closed form, and their float64."""
    saved, loaded = build(1), build(2)
    saved.refit(torch.randn(20, 4, generator=seeded(3)), generator=seeded(4))
    checkpoint.save(saved, tmp_path / "deep" / "model.safetensors")
    checkpoint.load(loaded, tmp_path / "deep" / "model.safetensors")
    for (name, a), (other, b) in zip(saved.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other and a.dtype == b.dtype and torch.equal(a, b)
    assert loaded.reconstruction_std.dtype == torch.float64


def test_the_same_weights_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        checkpoint.save(build(1), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("changed", [{"n_levels": 4}, {"hidden_sizes": [9]}, {"hidden_sizes": [8, 8]}])
def test_weights_of_another_architecture_are_refused(changed, tmp_path):
    checkpoint.save(build(1), tmp_path / "model")
    with pytest.raises(DamagedFileError, match=r"model: not the weights of this model .*; delete the file"):
        checkpoint.load(build(1, **changed), tmp_path / "model")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04pickled", b"\xff" * 100])
def test_files_that_are_not_weights_are_refused(content, tmp_path):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"model: is damaged .* delete the file and run again"):
        checkpoint.load(build(1), tmp_path / "model")


def test_a_truncated_file_is_refused(tmp_path):
    checkpoint.save(build(1), tmp_path / "model")
    (tmp_path / "model").write_bytes((tmp_path / "model").read_bytes()[:-10])
    with pytest.raises(DamagedFileError, match="model: is damaged"):
        checkpoint.load(build(1), tmp_path / "model")


def test_altered_weights_are_refused_and_change_no_model(tmp_path):
    checkpoint.save(build(1), tmp_path / "model")
    content = bytearray((tmp_path / "model").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model").write_bytes(content)
    model = build(2)
    before = checkpoint.state(model)
    with pytest.raises(DamagedFileError, match=r"model: tensors: sha256 is \w{64}, expected \w{64}; delete the file"):
        checkpoint.load(model, tmp_path / "model")
    assert all(torch.equal(tensor, before[name]) for name, tensor in checkpoint.state(model).items())


def test_weights_without_a_sha256_are_refused(tmp_path):
    safetensors.torch.save_file(checkpoint.state(build(1)), tmp_path / "model")
    with pytest.raises(DamagedFileError, match="model: tensors: got no sha256 in the file"):
        checkpoint.load(build(1), tmp_path / "model")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        checkpoint.load(build(1), tmp_path / "absent")


def test_snapshots_come_back_by_increasing_number_of_updates(tmp_path):
    states = {20: checkpoint.state(build(1)), 3: checkpoint.state(build(2))}
    checkpoint.save_snapshots(states, tmp_path / "snapshots")
    loaded = checkpoint.load_snapshots(tmp_path / "snapshots")
    assert list(loaded) == [3, 20]
    for n_updates, state in states.items():
        assert state.keys() == loaded[n_updates].keys()
        assert all(torch.equal(tensor, loaded[n_updates][name]) for name, tensor in state.items())
    checkpoint.save_snapshots({}, tmp_path / "none")
    assert checkpoint.load_snapshots(tmp_path / "none") == {}


def test_a_state_is_a_copy():
    model = build(1)
    state = checkpoint.state(model)
    model.reconstruction_std.zero_()
    assert (state["reconstruction_std"] > 0).all()
