"""The U-Net: equal to an oracle in SciPy, of the right shape, drawn from its generator, and trained in a cascade."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from cdae import unet
from cdae.data import TrainingSet
from cdae.model import CDAE
from cdae.network import make_network
from cdae.training import fit
from cdae.unet import UNet, convolution
from tests.helpers import CDAE_OPTIONS, mutated, seeded
from tests.oracles import unet as oracle

SHAPES = [(4, 4), (7, 5), (6, 9, 3), (8, 8, 3)]
CASES = [((4, 6), [4], 0), ((7, 5), [4, 6], 2), ((6, 9, 3), [8, 12, 20], 3), ((8, 8, 3), [16, 8], 0)]


SQUARE = [case for case in CASES if case[0][0] == case[0][1]]


def network(shape, n_channels, n_conditions=0, *, module=unet, seed=0):
    """A network in float64 whose normalisations rescale too."""
    made = module.UNet(shape, n_channels, n_conditions, generator=seeded(seed)).double()
    g = seeded(seed + 1)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" in name or "leave.0" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=g, dtype=torch.float64))
    return made


def inputs(n, shape, n_conditions=0):
    return torch.randn(n, int(np.prod(shape)) + n_conditions, generator=seeded(9), dtype=torch.float64)


def by_oracle(made, x, shape, n_channels):
    weights = {name: value.numpy() for name, value in made.state_dict().items()}
    dim, colours = int(np.prod(shape)), (*shape, 1)[:3]
    images = [oracle.unet(weights, row[:dim].reshape(colours), row[dim:], len(n_channels)) for row in x.numpy()]
    return np.stack(images).reshape(len(x), dim)


def agrees(made, shape, n_channels, n_conditions):
    x = inputs(3, shape, n_conditions)
    with torch.no_grad():
        return np.allclose(made(x).numpy(), by_oracle(made, x, shape, n_channels), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("shape", "n_channels", "n_conditions"), CASES)
def test_the_network_equals_the_oracle(shape, n_channels, n_conditions):
    assert agrees(network(shape, n_channels, n_conditions), shape, n_channels, n_conditions)


MUTANTS = {
    "columns for rows": (".permute(0, 3, 1, 2)", ".permute(0, 3, 2, 1)"),
    "colours first": (".permute(0, 3, 1, 2)", ".reshape(-1, self.n_colours, self.height, self.width)"),
    "colours first at the end": ("x.permute(0, 2, 3, 1).reshape(-1, dim)", "x.reshape(-1, dim)"),
    "no conditions": ("inner = inner + self.shift", "self.shift"),
    "nothing across": ("across.pop()]", "0.0 * across.pop()]"),
    "no residual": ("return self.across(x) + ", "return "),
    "one group": ("gcd(MOST_GROUPS, n_channels)", "1"),
    "filled up before": ("(0, -self.width % self.step,", "(-self.width % self.step, 0,"),
    "tiled, not doubled": (":, None, :, None].expand(n, c, h, 2, w, 2)", "None, :, None].expand(n, c, 2, h, 2, w)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    module = mutated(unet, *MUTANTS[name])
    cases = SQUARE if name == "columns for rows" else CASES  # others would not even fit
    assert not all(agrees(network(*case, module=module), *case) for case in cases)


@pytest.mark.parametrize("n_channels", [[4], [4, 6, 6]])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_have_the_shape_of_the_images_and_the_type_of_the_inputs(shape, n_channels):
    dim = int(np.prod(shape))
    made = UNet(shape, n_channels, 2, generator=seeded(0))
    assert made(torch.zeros(3, dim + 2)).shape == (3, dim)
    with torch.autocast("cpu", torch.bfloat16):
        assert made(torch.zeros(3, dim + 2)).dtype == torch.float32


def test_convolutions_have_the_default_initialisation_of_torch():
    """Uniform on +-1/sqrt(9 n_in), weights and biases."""
    layer = convolution(4, 600, generator=seeded(0))
    for values in (layer.weight, layer.bias):
        assert kstest(values.detach().flatten().numpy(), "uniform", args=(-1 / 6, 1 / 3)).pvalue > 1e-3


def test_gradients_in_batches_are_those_one_by_one():
    """The linearised proposals take the Jacobian of the denoiser in this way."""
    made, x = network((6, 9, 3), [4, 6]), inputs(2, (6, 9, 3)).requires_grad_()
    output, directions = made(x), torch.randn(3, 2, 162, generator=seeded(5), dtype=torch.float64)
    (batched,) = torch.autograd.grad(output, x, directions, is_grads_batched=True, retain_graph=True)
    single = [torch.autograd.grad(output, x, direction, retain_graph=True)[0] for direction in directions]
    torch.testing.assert_close(batched, torch.stack(single))


def test_networks_follow_their_generator():
    one, same, other = (UNet((4, 4), [4, 6], 2, generator=seeded(s)) for s in (1, 1, 2))
    for (name, a), b, c in zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True):
        is_constant = "norm" in name or "leave.0" in name
        assert torch.equal(a, b) and torch.equal(a, c) == is_constant


def test_examples_do_not_see_one_another_and_pass_in_any_number(monkeypatch):
    made, x = network((6, 9, 3), [4, 6], 2), inputs(5, (6, 9, 3), 2)
    whole = made(x)
    monkeypatch.setattr(unet, "ROWS", 2)
    torch.testing.assert_close(made(x), whole)
    torch.testing.assert_close(torch.cat([made(row[None]) for row in x]), whole)


@pytest.mark.parametrize("denoiser", ["blind", "conditioned", "unshared"])
def test_every_weight_has_a_finite_gradient(denoiser):
    model, x = cascade(denoiser=denoiser)
    model.named_loss("full", x, generator=seeded(2)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


def cascade(**options):
    """A cascade on small images in colour, and its data: a bright square on a dark ground."""
    images = np.zeros((64, 8, 8, 3), dtype=np.uint8)
    for i in range(64):
        images[i, i % 5 : i % 5 + 3, i // 13 : i // 13 + 3] = [250, 120, 20]
    data = TrainingSet(torch.from_numpy(images.reshape(64, -1)), 256, unit_interval=True, image_shape=(8, 8, 3))
    options = CDAE_OPTIONS | {"network": "unet", "hidden_sizes": [8, 8], "last_step": "predicted"} | options
    return CDAE.build(options, data, generator=seeded(0)), data.draw(generator=seeded(1))


def test_a_blind_network_ignores_the_level_and_a_conditioned_one_does_not():
    for denoiser, is_blind in (("blind", True), ("conditioned", False)):
        model, x = cascade(denoiser=denoiser)
        with torch.no_grad():
            one, other = (model.denoiser(x, torch.full((64,), level)) for level in (1, 2))
        assert torch.equal(one, other) == is_blind


def test_training_halves_the_error_of_every_level():
    model, x = cascade(denoiser="conditioned", first_std=0.25, last_std=1.0, last_step="closed_form")
    data = TrainingSet((x * 256).floor().byte(), 256, unit_interval=True, image_shape=(8, 8, 3))
    before = model.level_mse(x, generator=seeded(3))
    settings = {"n_updates": 60, "batch_size": 32, "learning_rate": 0.01, "generator": seeded(4)}
    fit(model, data, **settings, progress=lambda line: None)
    assert (model.level_mse(x, generator=seeded(3)) < 0.5 * before).all()


@pytest.mark.parametrize(
    ("kind", "shape", "sizes", "expected"),
    [
        ("cnn", (4, 4), [4], "network: got 'cnn', expected mlp or unet"),
        ("unet", None, [4], "network: got 'unet' for data that are no images, expected images; use mlp"),
        ("unet", (4, 4), [], "hidden_sizes: got none, expected the channels of a unet"),
    ],
)
def test_what_cannot_be_built_is_refused(kind, shape, sizes, expected):
    with pytest.raises(ValueError, match=expected):
        make_network(kind, 16, shape, sizes, generator=seeded(0))
