"""The density of the last step: exact values, integrals, gradients and samples, and what a broad component is worth."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest, norm

from cdae import pixel_density
from cdae.data import TrainingSet
from cdae.denoiser import DataScale, mlp
from cdae.density_predictor import DensityPredictor
from cdae.model import CDAE
from cdae.pixel_density import PixelDensity
from cdae.training import fit
from tests.helpers import CDAE_OPTIONS, mutated, seeded

MEAN = np.array([0.2, 0.5, -0.3])
STD = np.array([0.1, 0.4, 0.2])
SHARE = np.array([0.3, 0.05, 0.6])
POINTS = np.array([[0.25, 0.5, 0.9], [-0.2, 1.3, 0.0], [0.2, 0.0, 1.0]])  # within [0, 1], outside it, at its ends


def robust(module=pixel_density) -> PixelDensity:
    return module.PixelDensity(torch.from_numpy(STD), torch.from_numpy(SHARE))


def written_out(x: np.ndarray) -> np.ndarray:
    return np.log((1.0 - SHARE) * norm.pdf(x, MEAN, STD) + SHARE * norm.pdf(x, 0.5, 0.5)).sum(-1)


def density_error(module=pixel_density) -> float:
    actual = robust(module).log_prob(torch.from_numpy(POINTS), torch.from_numpy(MEAN)).numpy()
    return np.abs(actual - written_out(POINTS)).max()


MUTANTS = {
    "shares exchanged": ("torch.log1p(-share) + _log", "share.log() + _log"),
    "broad without its share": ("share.log() + _log_normal(x, BROAD", "0.0 * share.log() + _log_normal(x, BROAD"),
    "broad around 0": ("(x, BROAD_MEAN, BROAD_STD,", "(x, 0.0, BROAD_STD,"),
    "broad not normalised": ("math.log(BROAD_STD)", "0.0"),
    "variance for std": (", std, std.log())", ", std, 2.0 * std.log())"),
    "no constant": (" - 0.5 * LOG_2PI", ""),
    "the larger for the sum": ("torch.logaddexp(narrow, broad)", "torch.maximum(narrow, broad)"),
}


def test_the_robust_density_is_the_sum_of_its_components():
    assert density_error() < 1e-12


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_it_are_seen(name):
    assert density_error(mutated(pixel_density, *MUTANTS[name])) > 1e-3


@pytest.mark.parametrize("mean", [0.4, -0.1])
def test_it_integrates_to_one(mean):
    density = PixelDensity(torch.tensor([0.2]), torch.tensor([0.3]))

    def value(x: float) -> float:
        return density.log_prob(torch.tensor([[x]], dtype=torch.float64), torch.tensor([mean])).exp().item()

    assert abs(quad(value, -4.0, 5.0, points=[mean], limit=200)[0] - 1.0) < 1e-6


def test_without_a_share_it_is_gaussian_and_with_a_tiny_one_nearly():
    x, mean = torch.from_numpy(POINTS), torch.from_numpy(MEAN)
    expected = norm.logpdf(POINTS, MEAN, STD).sum(1)
    np.testing.assert_allclose(PixelDensity(torch.from_numpy(STD)).log_prob(x, mean), expected, atol=1e-12)
    tiny = PixelDensity(torch.from_numpy(STD), torch.full((3,), 1e-14, dtype=torch.float64))
    np.testing.assert_allclose(tiny.log_prob(x, mean)[1:2], expected[1:2], atol=1e-6)


@pytest.mark.parametrize("share", [None, torch.from_numpy(SHARE)], ids=["gaussian", "robust"])
def test_inverse_std_gives_the_gradient_with_respect_to_the_mean(share):
    x, density = torch.from_numpy(POINTS), PixelDensity(torch.from_numpy(STD), share)
    mean = torch.from_numpy(MEAN).expand_as(x).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(density.log_prob(x, mean).sum(), mean)
    torch.testing.assert_close((x - mean) * density.inverse_std(x, mean).square(), gradient, rtol=1e-10, atol=1e-12)


def test_samples_have_the_density():
    samples = robust().sample(torch.from_numpy(MEAN).expand(50_000, -1), generator=seeded(3)).numpy()
    for j in range(3):

        def cdf(x, j=j):
            return (1.0 - SHARE[j]) * norm.cdf(x, MEAN[j], STD[j]) + SHARE[j] * norm.cdf(x, 0.5, 0.5)

        assert kstest(samples[:, j], cdf).pvalue > 1e-4


@pytest.mark.parametrize("pixel", [0.9, -0.1])
def test_one_outlier_costs_at_most_the_log_of_the_share_inside_the_unit_interval_and_outside(pixel):
    """In float32, where a Gaussian of this width gives it thousands of nats less."""
    std, mean = torch.full((3,), 2e-3), torch.zeros(3)
    share = torch.full((3,), 0.003)
    x = torch.tensor([[0.0, 0.0, 0.0], [0.0, pixel, 0.0]])
    inlier, outlier = PixelDensity(std, share).log_prob(x, mean)
    narrow = -np.log(2e-3) - 0.5 * np.log(2.0 * np.pi)
    np.testing.assert_allclose(inlier - outlier, narrow - np.log(0.003) - norm.logpdf(pixel, 0.5, 0.5), atol=0.01)
    inlier, outlier = PixelDensity(std).log_prob(x, mean)
    assert inlier - outlier > 1e3


def test_robust_densities_are_refused_outside_the_unit_interval():
    scale = DataScale(torch.zeros(2), 1.0, unit_interval=False)
    with pytest.raises(ValueError, match=r"robust: got data outside \[0, 1\], .*; use predicted"):
        DensityPredictor(mlp(2, [3], 2, generator=seeded(0)), scale, 0.01, robust=True)


def images_with_specks(n: int, seed: int) -> torch.Tensor:
    """Nearly black pixels, of which one in two hundred is of any brightness."""
    rng = np.random.default_rng(seed)
    dark = np.clip(0.05 + 0.01 * rng.standard_normal((n, 6)), 0.0, 1.0)
    return torch.from_numpy(np.where(rng.random((n, 6)) < 0.005, rng.random((n, 6)), dark)).float()


def test_it_pays_where_training_examples_have_outliers_and_its_share_is_learned():
    train, x = TrainingSet(images_with_specks(4_000, 0), unit_interval=True), images_with_specks(4_000, 1)
    options = CDAE_OPTIONS | {"n_levels": 1, "first_std": 0.5, "last_std": 2.0, "hidden_sizes": [16]}
    bounds = {}
    for last_step in ("predicted", "robust"):
        model = CDAE.build({**options, "last_step": last_step}, train, generator=seeded(0))
        settings = {"n_updates": 600, "batch_size": 100, "learning_rate": 0.01, "generator": seeded(1)}
        fit(model, train, **settings, progress=lambda line: None)
        with torch.no_grad():
            bounds[last_step] = model.bound_terms(x, model.infer(x, generator=seeded(2))).total.numpy()
    gain = bounds["robust"] - bounds["predicted"]
    assert gain.mean() > 5.0 * gain.std() / len(x) ** 0.5 and gain.mean() > 0.5
    share = torch.sigmoid(model.density_predictor.broad_logit)
    assert ((share > 0.003) & (share < 0.012)).all()
