"""Examples that the benchmark trains, and an estimator of a user, against exact answers."""

import math
from itertools import product

import numpy as np
import pytest
import torch
import yaml
from scipy.special import logsumexp
from torch import nn

from cdae import checkpoint, training
from cdae.data import EvaluationSet, TrainingSet, prepare
from cdae.datasets.registry import loader
from cdae.estimators import own
from tests.annealing_helpers import linear_decoder
from tests.helpers import assert_moments, seeded
from tests.oracles import factor_model
from tests.test_examples import EXAMPLES, config_of, example, project_folder
from workflow.grid import cells as grid
from workflow.grid.own_estimators import read
from workflow.jobs.cell import CellJob
from workflow.jobs.evaluation import Evaluation
from workflow.jobs.training import train

__all__ = ["project_folder"]
needs_zuko = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("zuko") is None,
    reason="zuko is not installed; pip install --constraint constraints.txt '.[examples]'",
)


def made(name, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return example(name)(**options)


def evaluated(name, data, folder, **training_keys):
    """The rows of the only model of a user in an example's configuration, and the model."""
    config = config_of(name)
    (cell,) = [cell for cell in grid.cells(config) if ":" in cell.kind]
    config["models"][cell.family]["training"] |= training_keys
    evaluation = Evaluation(CellJob(grid.evaluation_config(config, cell)), data)
    model = train(evaluation.cell, data, {})[0]
    checkpoint.save(model, folder / "weights")
    evaluation.run(folder / "weights")
    return {row.estimator: row for row in evaluation.rows}, evaluation, model


# --- the flow


@needs_zuko
@pytest.mark.parametrize("margin", [0.0, 1e-6, 0.05])
def test_the_flows_density_in_one_dimension_integrates_to_one(margin):
    flow = trained_flow(1, margin)
    x = grid_of(margin, 40_001, low=-12.0, high=12.0)
    assert trapezoid(flow.log_prob(x[:, None]).exp(), x) == pytest.approx(1.0, abs=2e-4)


@needs_zuko
@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_the_flows_density_in_two_dimensions_integrates_to_one(margin):
    flow = trained_flow(2, margin)
    x = grid_of(margin, 801, low=-9.0, high=9.0)
    pairs = torch.cartesian_prod(x, x)
    inner = trapezoid(flow.log_prob(pairs).exp().reshape(len(x), len(x)), x)
    assert trapezoid(inner, x) == pytest.approx(1.0, abs=2e-3)


def trapezoid(density, x):
    return torch.trapezoid(density.double(), x.double(), dim=-1)


def grid_of(margin, n, *, low, high):
    """Points over all the x that have a finite y, dense where the logit is steep."""
    y = torch.linspace(low, high, n, dtype=torch.float64)
    return y if not margin else (y.sigmoid() - margin) / (1.0 - 2.0 * margin)


def trained_flow(dim, margin):
    """A small flow in double precision, after some updates on correlated data, so that it is no identity."""
    flow = made("zuko_flow.py:Flow", dim=dim, n_transforms=2, n_hidden=16, margin=margin)
    y = torch.randn(400, dim, generator=seeded(0)) @ (torch.eye(dim) + 0.5) + 0.3
    x = y.sigmoid() if margin else y
    training.fit(flow, TrainingSet(x), n_updates=60, batch_size=100, learning_rate=0.02, generator=seeded(1))
    assert flow.is_fitted and flow.std.min() > 0.1
    return flow.double().requires_grad_(False)


@needs_zuko
@pytest.mark.parametrize("margin", [0.0, 1e-6])
def test_the_flows_density_is_that_of_its_jacobian_by_automatic_differentiation(margin):
    flow = trained_flow(3, margin)
    x = flow.sample(5, generator=seeded(2)).double()

    def to_noise(point):
        y = (flow.margin + (1.0 - 2.0 * flow.margin) * point).logit() if margin else point
        return flow.flow().transform((y - flow.mean) / flow.std)

    for point, found in zip(x, flow.log_prob(x), strict=True):
        e, jacobian = to_noise(point), torch.autograd.functional.jacobian(to_noise, point)
        normal = -0.5 * (e.square().sum() + 3 * math.log(2.0 * math.pi))
        assert found.item() == pytest.approx((normal + torch.linalg.slogdet(jacobian).logabsdet).item(), abs=1e-8)


@needs_zuko
def test_the_flows_draws_are_where_its_density_says():
    flow = trained_flow(1, 0.0)
    x = grid_of(0.0, 20_001, low=-12.0, high=12.0)
    density = flow.log_prob(x[:, None]).exp()
    mean = trapezoid(density * x, x).item()
    variance = trapezoid(density * (x - mean) ** 2, x).item()
    draws = flow.sample(20_000, generator=seeded(3)).double().numpy()
    assert_moments(draws, np.array([mean]), np.array([[variance]]))


@needs_zuko
def test_the_place_and_width_of_the_data_are_set_once():
    flow = trained_flow(2, 0.0)
    before = flow.mean.clone(), flow.std.clone()
    flow.refit(100.0 * torch.ones(5, 2).double(), generator=seeded(0))
    assert torch.equal(flow.mean, before[0]) and torch.equal(flow.std, before[1])


@needs_zuko
def test_the_row_of_the_flow_is_the_mean_of_its_own_density(tmp_path):
    prepare(loader("digits")(), "digits", tmp_path / "digits.npz")
    rows, evaluation, model = evaluated("flow.yaml", tmp_path / "digits.npz", tmp_path, n_updates=200)
    assert set(rows) == {"exact", "parzen"} and {row.status for row in rows.values()} == {"ok"}
    with torch.no_grad():
        own_values = model.model.log_prob(evaluation.data.examples)
    assert rows["exact"].mean_nats == pytest.approx(own_values.mean().item(), rel=1e-12)
    assert rows["exact"].mean_nats > 60.0  # a Gaussian with all covariances has 51


# --- the VAE


def test_the_probabilities_of_the_vaes_images_sum_to_one_and_its_bounds_lie_below_them():
    """By quadrature over a single latent dimension, for all images of three pixels."""
    vae = made("bernoulli_vae.py:BernoulliVAE", dim=3, latent_dim=1, n_hidden=8).double().requires_grad_(False)
    vae.decoder[2].bias.copy_(torch.tensor([0.3, -0.5, 0.8]))
    vae.decoder[2].weight.mul_(4.0)
    y = torch.tensor([*product((0.0, 1.0), repeat=3)], dtype=torch.float64)
    x = (y + 0.25) / 2.0
    exact = by_quadrature(vae, x)
    assert logsumexp(exact.numpy() - 3 * math.log(2.0)) == pytest.approx(0.0, abs=1e-10)
    n_draws = 20_000
    many = x.repeat_interleave(n_draws, 0)
    z = vae.infer(many, generator=seeded(0))
    bound = vae.bound_terms(many, z).total.reshape(8, n_draws)
    weights = (vae.log_weights(many, z).reshape(8, n_draws) - exact[:, None]).exp()
    assert (bound.mean(1) < exact).all() and (exact - bound.mean(1) < 2.0).all()
    errors = weights.std(1) / n_draws**0.5
    assert ((weights.mean(1) - 1.0).abs() < 5.0 * errors).all() and (errors < 0.05).all()
    difference = (vae.log_weights(many, z).reshape(8, n_draws) - bound).mean(1)  # both have the mean of the bound
    assert (difference.abs() < 0.05).all()


def by_quadrature(vae, x):
    """log p(x) on a grid of the single latent dimension."""
    z = torch.linspace(-10.0, 10.0, 4_001, dtype=torch.float64)
    prior = -0.5 * z.square() - 0.5 * math.log(2.0 * math.pi)
    values = [prior + vae.log_likelihood(one.expand(len(z), -1), z[:, None]) for one in x]
    return (torch.stack(values) + math.log(20.0 / 4_000)).logsumexp(1)


def test_the_vaes_draws_are_levels_with_its_probabilities_dequantized():
    vae = made("bernoulli_vae.py:BernoulliVAE", dim=3, latent_dim=2, n_hidden=8).requires_grad_(False)
    z = torch.randn(1, 2, generator=seeded(0)).expand(20_000, 2)
    p = vae.decoder(z[0]).sigmoid().double().numpy()
    x = vae.sample_x(z, generator=seeded(1)).double().numpy()
    assert x.min() >= 0.0 and x.max() < 1.0
    assert_moments(x, p / 2.0 + 0.25, np.diag(p * (1.0 - p) / 4.0 + 1.0 / 48.0))


def test_the_vae_is_trained_through_the_door_on_levels_of_a_user_and_gets_its_rows(tmp_path):
    config = config_of("binary.yaml")
    options = grid.dataset_options(config, "binary_digits")
    raw = loader(config["datasets"]["binary_digits"]["loader"])(**options)
    assert raw.n_intensity_levels == 2 and set(np.unique(raw.train)) == {0, 1} and raw.image_shape == (8, 8)
    prepare(raw, "binary_digits", tmp_path / "data.npz")
    rows, evaluation, _ = evaluated("binary.yaml", tmp_path / "data.npz", tmp_path, n_updates=600)
    assert {name: row.status for name, row in rows.items()} == dict.fromkeys(
        ["lower_bound", "importance_weighted", "parzen", "antithetic"], "ok"
    )
    p = evaluation.data.training.values.double().mean(0).clamp(1e-3, 1.0 - 1e-3)
    y = (evaluation.data.examples >= 0.5).double()
    independent = (y * p.log() + (1.0 - y) * (1.0 - p).log()).sum(1) + 64 * math.log(2.0)
    assert independent.mean() + 3.0 < rows["lower_bound"].mean_nats < rows["importance_weighted"].mean_nats


# --- the estimator


def data_of(x):
    return EvaluationSet(x, x, x[:0], None, 1.0, TrainingSet(x[:0]))


def antithetic(model, x, n_pairs, seed=0):
    (found,) = own.configured(
        model, data_of(x), {"kind": "examples/antithetic.py:AntitheticPrior", "options": {"n_pairs": n_pairs}},
        generator=seeded(seed),
    )  # fmt: skip
    return found


class OfLikelihood(nn.Module):
    """A decoder whose log likelihood is a function of x and the single z."""

    latent_dim = 1

    def __init__(self, log_likelihood):
        super().__init__()
        self.log_likelihood = log_likelihood


def test_a_decoder_that_ignores_its_latents_has_its_own_density_exactly():
    x = torch.randn(20, 1, generator=seeded(0)).double()
    model = OfLikelihood(lambda x, z: -x.square().sum(-1))
    torch.testing.assert_close(antithetic(model, x, 3).values, -x.square().sum(-1), rtol=1e-12, atol=1e-12)


def test_of_a_likelihood_that_is_linear_in_z_every_pair_is_exact():
    """The odd part cancels within every pair; a single draw would be off by it."""
    x = 0.1 * torch.rand(20, 1, generator=seeded(0)).double()
    model = OfLikelihood(lambda x, z: (1.0 + x * z.clamp(-5.0, 5.0)).squeeze(-1).log())
    found = antithetic(model, x, 1)
    torch.testing.assert_close(found.values, torch.zeros(20, dtype=torch.float64), rtol=0.0, atol=1e-6)


def test_of_a_linear_gaussian_decoder_it_has_the_density_of_the_factor_model():
    model, weights, bias = linear_decoder(dim=3, latent_dim=2, std=0.8)
    x = model.simulate(30, generator=seeded(1))[0].detach()
    with torch.no_grad():
        found = antithetic(model, x, 2_000)
    exact = torch.from_numpy(factor_model.log_prob(x.numpy(), weights, bias, 0.8))
    assert found.converged
    torch.testing.assert_close(found.values, exact.double(), rtol=0.0, atol=0.3)
    ratio = (found.values - exact.double()).exp()  # independent from point to point, each of mean 1
    error = ratio.std().item() / len(x) ** 0.5
    assert error < 0.03 and abs(ratio.mean().item() - 1.0) < 5.0 * error


def test_weights_that_disagree_are_said_to():
    model = OfLikelihood(lambda x, z: -50.0 * (x - z).square().sum(-1))
    assert antithetic(model, torch.full((5, 1), 3.0), 10).converged is False


def test_its_card_says_what_it_claims():
    card = read("examples/antithetic.py:AntitheticPrior")
    assert card.claim == "stochastic lower bound" and card.protocols == ("Decoder",) and card.in_bits
    assert card.runs_on("vae") and card.runs_on("examples/gaussian_vae.py:GaussianDecoder")
    assert not card.runs_on("cdae") and not card.runs_on("control-gaussian")
    settings = yaml.safe_load((EXAMPLES / "binary.yaml").read_text())["estimators"]["antithetic"]
    assert "over 2000 pairs" in card.sentence_with(settings["options"])
