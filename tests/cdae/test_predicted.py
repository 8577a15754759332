"""A last step whose variance is predicted from x_1: bounds, losses and samples with it, and what it is worth.

Not here: estimates of log p(x) of such a model (`tests.estimators.test_contract`).
"""

import numpy as np
import pytest
import torch
from scipy.integrate import simpson
from scipy.stats import norm
from torch import Tensor, nn

from cdae import bound
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.density_predictor import DensityPredictor, Standardized
from cdae.estimators import all_pairs, importance, markov, proposals, quadrature, sequential
from cdae.model import CDAE
from cdae.pixel_density import PixelDensity
from cdae.training import fit
from tests.estimators.two_sided import Predictor, mean_of, predicting, predicting_log_prob, std_of
from tests.helpers import assert_mean, expected_gradient_of_one_level, full_loss, gradient, linear_cascade, seeded

K, N = 2, 4_000
POINT = torch.tensor([[-0.4]], dtype=torch.float64)


def test_quadrature_integrates_it():
    x = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)[:, None]
    exact = predicting_log_prob(x[:, 0].numpy())
    np.testing.assert_allclose(quadrature.log_density(predicting(Predictor()), x), exact, atol=1e-6)


def test_samples_have_the_density():
    x = predicting(Predictor()).simulate(50_000, generator=seeded(5))[0][:, 0].numpy()
    edges = np.linspace(-1.5, 2.0, 15)
    points = np.linspace(edges[:-1], edges[1:], 11)
    density = np.exp(predicting_log_prob(points.ravel())).reshape(points.shape)
    inside = (x[:, None] > edges[:-1]) & (x[:, None] <= edges[1:])
    assert_mean(inside, simpson(density, x=points, axis=0))
    samples = list(predicting(Predictor()).sample_sets(50_000, generator=seeded(5)))
    assert torch.equal(samples[1].values[:, 0], torch.from_numpy(x))


def test_bounds_hold_the_density_of_the_last_step():
    model, x = predicting(Predictor()), POINT.expand(6, 1)
    noisy = model.infer(x, generator=seeded(1))
    x_1 = noisy[0, :, 0].numpy()
    expected = norm.logpdf(POINT.item(), mean_of(x_1), std_of(x_1))
    for terms in (bound.bound_terms(model, x, noisy), markov.markov_bound_terms(model, x, noisy)):
        np.testing.assert_allclose(terms.reconstruction, expected, atol=1e-12)
    without = bound.bound_terms(predicting(None), x, noisy)
    assert torch.equal(without.level_kl, bound.bound_terms(model, x, noisy).level_kl)


class Constant(nn.Module):
    """One standard deviation for all, from a parameter-free prediction."""

    def __init__(self, std: float):
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> PixelDensity:
        return PixelDensity(torch.full_like(x, self.std))


def test_a_prediction_that_is_rho_changes_nothing():
    model, _ = linear_cascade(3, 3, 4)
    x = torch.randn(5, 3, dtype=torch.float64, generator=seeded(0))
    values = {}
    for predictor in (None, Constant(model.reconstruction_std[0].item())):
        model.density_predictor = predictor
        noisy = model.infer(x, generator=seeded(1))
        values[predictor is None] = [
            bound.bound_terms(model, x, noisy).total,
            markov.markov_bound_terms(model, x, noisy).total,
            importance.log_weights(model, x, noisy),
            all_pairs.log_likelihood(model, x, proposal=proposals.Widened(), n_draws=6, generator=seeded(2)),
            sequential.log_likelihood(model, x, proposal=proposals.Widened(), n_particles=6, generator=seeded(2)),
            *model.simulate(5, generator=seeded(3)),
        ]
    for with_rho, predicted in zip(values[True], values[False], strict=True):
        torch.testing.assert_close(predicted, with_rho, rtol=1e-10, atol=1e-10)


DIM = 3
POINTS = torch.randn(4, DIM, dtype=torch.float64, generator=seeded(8))


def network_cascade(loss: str, hidden: int = 5) -> CDAE:
    """Two small networks in float64."""
    scale, g = DataScale(torch.zeros(DIM), 1.0, unit_interval=False), seeded(0)
    denoiser = BlindDenoiser(mlp(DIM, [hidden], DIM, generator=g), scale)
    predictor = DensityPredictor(Standardized(mlp(DIM, [hidden], DIM, generator=g), scale), scale, 0.01)
    options = {"data_mean": torch.zeros(DIM), "data_std": torch.ones(DIM), "loss": loss, "density_predictor": predictor}
    model = CDAE(denoiser, NoiseSchedule.geometric(K, 0.2, 2.0), **options).double()
    model.reconstruction_std.copy_(torch.tensor([0.5, 1.5]))
    return model


def test_the_gradient_of_the_full_loss_is_that_of_minus_the_bound():
    model = network_cascade("full")
    noisy = POINTS + model.corruption_std[1:, None, None]
    minus_bound = -bound.bound_terms(model, POINTS, noisy).total.mean()
    expected, actual = gradient(minus_bound, model), gradient(full_loss(model, POINTS, noisy), model)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-13)
    of_last_step = sum(p.numel() for p in model.density_predictor.parameters())
    assert actual[-of_last_step:].norm() > 0.0


@pytest.mark.parametrize("loss", ["shrunk", "shrunk_uniform"])
def test_one_level_at_a_time_it_is_the_same_in_expectation(loss, monkeypatch):
    noise, model = torch.ones_like(POINTS), network_cascade(loss)
    actual = expected_gradient_of_one_level(model, POINTS, noise, monkeypatch)
    noisy = POINTS + model.corruption_std[1:, None, None] * noise
    expected = gradient(full_loss(model, POINTS, noisy), model)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)


def test_predictions_stay_above_the_floor_and_finite_far_away():
    model = network_cascade("shrunk")
    for scale in (0.0, 1.0, 1e6):
        std = model.last_step(scale * POINTS).std
        assert std.shape == POINTS.shape and std.isfinite().all() and (std >= 0.1 - 1e-12).all()
    nn.init.constant_(model.density_predictor.network.network[-1].bias, -1e4)
    torch.testing.assert_close(model.last_step(POINTS).std, torch.full_like(POINTS, 0.1), rtol=1e-10, atol=0.0)


def narrow_and_wide(n: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Two modes far apart, one ten times as wide as the other, and their log density."""
    rng = np.random.default_rng(seed)
    side = rng.integers(0, 2, n)
    x = np.where(side, 2.0, -2.0) + np.where(side, 1.0, 0.1) * rng.standard_normal(n)
    log_density = np.logaddexp(norm.logpdf(x, -2.0, 0.1), norm.logpdf(x, 2.0, 1.0)) - np.log(2.0)
    return torch.from_numpy(x[:, None]).float(), log_density


def test_it_pays_where_variances_differ_between_examples_and_stays_below_the_exact_value():
    train = TrainingSet(narrow_and_wide(4_000, 0)[0])
    x, exact_values = narrow_and_wide(4_000, 1)
    options = {"n_levels": 1, "denoiser": "blind", "schedule": "geometric", "first_std": 0.1, "last_std": 1.0,
               "loss": "shrunk", "hidden_sizes": [32]}  # fmt: skip
    bounds = {}
    for last_step in ("closed_form", "predicted"):
        model = CDAE.build({**options, "last_step": last_step}, train, generator=seeded(0))
        settings = {"n_updates": 400, "batch_size": 100, "learning_rate": 0.01, "generator": seeded(1)}
        fit(model, train, **settings, progress=lambda line: None)
        with torch.no_grad():
            bounds[last_step] = bound.elbo(model, x, generator=seeded(2)).total.numpy()
    gain, excess = bounds["predicted"] - bounds["closed_form"], bounds["predicted"] - exact_values
    assert gain.mean() > 5.0 * gain.std() / N**0.5 and gain.mean() > 0.1
    assert excess.mean() < 5.0 * excess.std() / N**0.5
