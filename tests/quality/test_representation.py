"""Hidden layers and codes of the models, recomputed layer by layer."""

import pytest
import torch

from baselines.registry import model_class
from cdae.data import TrainingSet
from cdae.quality.representation import representation
from tests.helpers import seeded

X = torch.rand(30, 4, generator=seeded(0))
SCHEDULE = {"schedule": "geometric", "first_std": 0.25, "last_std": 4.0, "loss": "shrunk"}
OPTIONS = {
    "cdae": {**SCHEDULE, "n_levels": 3, "denoiser": "blind"},
    "diffusion": {**SCHEDULE, "n_levels": 3},
    "dae": {"corruption_std": 0.5, "n_walkback_steps": 0, "chain_steps": [1]},
    "vae": {"latent_dim": 2},
    "control-gaussian": {"covariance": "diagonal"},
}


def built(kind, **options):
    training_set = TrainingSet(X, unit_interval=True)
    return model_class(kind).build(
        {"hidden_sizes": [5, 6], **OPTIONS[kind], **options}, training_set, generator=seeded(1)
    )


def hidden(network, inputs):
    first = torch.nn.functional.silu(network[0](inputs))
    return torch.cat([first, torch.nn.functional.silu(network[2](first))], 1)


@pytest.mark.parametrize("kind", ["cdae", "dae"])
def test_of_a_blind_denoiser_they_are_all_hidden_layers(kind):
    model = built(kind)
    with torch.no_grad():
        expected = hidden(model.denoiser.network, model.denoiser.data_scale.standardize(X))
    got = representation(model, X)
    assert got.shape == (30, 11)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("kind", ["cdae", "diffusion"])
def test_of_a_conditioned_denoiser_they_are_those_of_the_lowest_level(kind):
    model = built(kind, denoiser="conditioned")
    denoiser = (model.parts if kind == "diffusion" else model).denoiser
    level = torch.tensor([1.0, 0.0, 0.0]).expand(30, -1)
    with torch.no_grad():
        expected = hidden(denoiser.network, torch.cat([denoiser.data_scale.standardize(X), level], 1))
    torch.testing.assert_close(representation(model, X), expected)


def test_of_unshared_denoisers_they_are_those_of_the_first():
    model = built("cdae", denoiser="unshared")
    with torch.no_grad():
        expected = hidden(model.denoiser.networks[0], model.denoiser.data_scale.standardize(X))
    torch.testing.assert_close(representation(model, X), expected)


def test_of_a_decoder_it_is_the_mean_of_the_code():
    model = built("vae")
    with torch.no_grad():
        expected, _ = model.encode(X)
    torch.testing.assert_close(representation(model, X), expected)


def test_a_model_without_either_has_none_and_no_hook_stays():
    assert representation(built("control-gaussian"), X) is None
    assert representation(built("cdae", hidden_sizes=[]), X) is None
    model = built("cdae")
    representation(model, X)
    assert not any(module._forward_hooks for module in model.modules())
