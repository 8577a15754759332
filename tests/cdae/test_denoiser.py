"""Denoising networks: initialisation from a generator, the data's scale, blindness to the level and its opposite."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from cdae import objective
from cdae.data import TrainingSet
from cdae.denoiser import BlindDenoiser, ConditionedDenoiser, DataScale, UnsharedDenoiser, linear, mlp
from cdae.model import CDAE
from cdae.training import fit
from tests.helpers import CDAE_OPTIONS, seeded

MEAN = torch.tensor([1.0, -2.0, 0.5])


def test_linear_layers_have_the_default_initialisation_of_torch():
    """Uniform on +-1/sqrt(n_in), weights and biases."""
    layer = linear(16, 2_000, generator=seeded(0))
    for values in (layer.weight, layer.bias):
        assert kstest(values.detach().flatten().numpy(), "uniform", args=(-0.25, 0.5)).pvalue > 1e-3


def test_building_layers_imports_no_symbolic_algebra():
    """Which is a third of a second for every job."""
    code = """
import sys, torch
from cdae.unet import convolution, linear
linear(2, 3, generator=torch.Generator()), convolution(2, 3, generator=torch.Generator())
assert "sympy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_networks_follow_their_generator():
    one, same, other = (mlp(3, [4], 3, generator=seeded(s)) for s in (1, 1, 2))
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)


def test_mlp_has_the_sizes_asked_for():
    layers = list(mlp(3, [5, 7], 2, generator=seeded(0)))
    assert [type(layer) for layer in layers] == [nn.Linear, nn.SiLU, nn.Linear, nn.SiLU, nn.Linear]
    assert [tuple(layer.weight.shape) for layer in layers[::2]] == [(5, 3), (7, 5), (2, 7)]


def test_mlp_without_hidden_layers_is_affine():
    network = mlp(3, [], 2, generator=seeded(0)).double()
    x, y = torch.randn(2, 5, 3, generator=seeded(1), dtype=torch.float64)
    torch.testing.assert_close(network(0.3 * x + 0.7 * y), 0.3 * network(x) + 0.7 * network(y))


def test_to_data_inverts_standardize_for_linear_outputs():
    scale = DataScale(MEAN, 2.0, unit_interval=False)
    x = torch.randn(5, 3, generator=seeded(0))
    torch.testing.assert_close(scale.to_data(scale.standardize(x)), x)
    torch.testing.assert_close(scale.standardize(MEAN[None] + 2.0), torch.ones(1, 3))


def test_outputs_for_unit_interval_data_stay_there():
    scale = DataScale(MEAN, 2.0, unit_interval=True)
    outputs = scale.to_data(torch.tensor([[-30.0, 0.0, 30.0]]))
    assert outputs.min() >= 0 and outputs.max() <= 1
    assert outputs[0, 1] == 0.5


def test_blind_denoiser_ignores_the_level():
    denoiser = BlindDenoiser(mlp(3, [4], 3, generator=seeded(0)), DataScale(MEAN, 2.0, unit_interval=False))
    x = torch.randn(5, 3, generator=seeded(1))
    one, other = (denoiser(x, torch.full((5,), level)) for level in (1, 9))
    assert torch.equal(one, other)


@pytest.mark.parametrize("unit_interval", [False, True])
def test_conditioned_denoiser_sees_each_level_as_its_own_input(unit_interval):
    """With one linear layer, the level adds its own column of weights: pins that level 1 is the first of them."""
    network = mlp(3 + 4, [], 3, generator=seeded(0))
    denoiser = ConditionedDenoiser(network, DataScale(MEAN, 2.0, unit_interval=unit_interval), n_levels=4)
    x, level = torch.randn(4, 3, generator=seeded(1)), torch.tensor([1, 2, 3, 4])
    weight, bias = network[0].weight, network[0].bias
    output = (x - MEAN) / 2.0 @ weight[:, :3].T + weight[:, 3:].T + bias
    expected = torch.sigmoid(output) if unit_interval else MEAN + 2.0 * output
    torch.testing.assert_close(denoiser(x, level), expected)


def test_scale_travels_with_the_weights():
    """Mean and std are in the state of the module, so that a loaded model has those of its training data."""
    state = BlindDenoiser(mlp(3, [], 3, generator=seeded(0)), DataScale(MEAN, 2.0, unit_interval=False)).state_dict()
    np.testing.assert_allclose(state["data_scale.mean"], MEAN)
    assert state["data_scale.std"].item() == 2.0


def test_an_unshared_denoiser_has_a_network_of_its_own_for_every_level():
    networks = [mlp(3, [4], 3, generator=seeded(i)) for i in range(3)]
    denoiser = UnsharedDenoiser(networks, DataScale(torch.full((3,), 0.2), 0.5, unit_interval=False))
    x, level = torch.randn(7, 3, generator=seeded(9)), torch.tensor([3, 1, 3, 3, 1, 1, 3])
    with torch.no_grad():
        expected = [0.2 + 0.5 * networks[i - 1]((x[n] - 0.2) / 0.5) for n, i in enumerate(level.tolist())]
        torch.testing.assert_close(denoiser(x, level), torch.stack(expected))
    gradients = torch.autograd.grad(denoiser(x, level).sum(), list(denoiser.parameters()), materialize_grads=True)
    sizes = [gradient.abs().sum().item() for gradient in gradients]
    assert len(sizes) == 12 and all(sizes[:4]) and not any(sizes[4:8]) and all(sizes[8:])  # no example is at level 2


def test_training_goes_on_where_a_level_is_never_drawn():
    values = torch.rand(64, 3, generator=seeded(0))
    options = CDAE_OPTIONS | {"denoiser": "unshared", "first_std": 0.001, "last_std": 1000.0}
    model = CDAE.build(options, TrainingSet(values), generator=seeded(1))
    before = [p.clone() for p in model.denoiser.networks[2].parameters()]
    settings = {"n_updates": 5, "batch_size": 4, "learning_rate": 0.01, "generator": seeded(2)}
    fit(model, TrainingSet(values), **settings, progress=lambda line: None)
    assert objective.level_weights(model.reconstruction_std)[2] < 1e-4
    assert all(torch.equal(a, b) for a, b in zip(before, model.denoiser.networks[2].parameters(), strict=True))
