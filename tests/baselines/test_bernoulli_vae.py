"""The VAE of black and white images against integrals over its code, on a grid."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import bernoulli, norm

from baselines import bernoulli_vae
from baselines.bernoulli_vae import BernoulliVAE, BinaryScale
from cdae import bernoulli as densities
from cdae.binary_images import binary
from cdae.data import TrainingSet
from cdae.estimators import importance
from cdae.training import fit
from tests.helpers import assert_mean, seeded
from tests.oracles.bit_flips import corners

DIM = 3
GRID = np.linspace(-12.0, 12.0, 4_001)
LOG_STEP = np.log(GRID[1] - GRID[0])


def vae() -> BernoulliVAE:
    """A VAE with a code of one dimension, in float64, whose decoder is far from constant."""
    scale = BinaryScale(torch.tensor([0.3, 0.5, 0.8]))
    model = BernoulliVAE(scale, latent_dim=1, hidden_sizes=[5], generator=seeded(0)).double().requires_grad_(False)
    for parameter in model.decoder.parameters():
        parameter.mul_(3.0)
    return model


def on_the_grid(model: BernoulliVAE, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log p(x, z) and log q(z | x) at every z of the grid, in NumPy and SciPy, of one image x."""
    logits = model.decoder(torch.from_numpy(GRID)[:, None]).numpy()
    mean, std = (part.item() for part in model.encode(torch.from_numpy(x)[None]))
    log_joint = norm.logpdf(GRID) - np.logaddexp(0.0, np.where(x == 1.0, -logits, logits)).sum(1)
    return log_joint, norm.logpdf(GRID, mean, std)


def errors() -> tuple[float, float]:
    """The largest error of the expected bound, and that of the expected weight, over all images."""
    model, bounds, weights = vae(), [], []
    z = torch.from_numpy(GRID)[:, None]
    for x in corners(DIM):
        log_joint, log_q = on_the_grid(model, x)
        copies, q = torch.from_numpy(x).expand(len(z), -1), np.exp(log_q + LOG_STEP)
        bounds.append(q @ (model.bound_terms(copies, z).total.numpy() - (log_joint - log_q)))
        weights.append(logsumexp(model.log_weights(copies, z).numpy() + log_q) - logsumexp(log_joint))
    return float(np.abs(bounds).max()), float(np.abs(weights).max())


def test_expected_bound_and_expected_weight_equal_the_integrals():
    assert max(errors()) < 1e-9


def test_probabilities_of_all_images_sum_to_one():
    model = vae()
    log_probs = [logsumexp(on_the_grid(model, x)[0]) + LOG_STEP for x in corners(DIM)]
    assert np.exp(log_probs).sum() == pytest.approx(1.0, abs=1e-9)


MUTANTS = {
    "black for white": lambda x, logits: densities.log_bernoulli(x, -logits),
    "a probability for a logit": lambda x, logits: densities.log_bernoulli(x, torch.sigmoid(logits)),
    "a density of y + u": lambda x, logits: densities.log_bernoulli(x, logits) + DIM * np.log(2.0),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_decoder_are_seen(name, monkeypatch):
    monkeypatch.setattr(bernoulli_vae, "log_bernoulli", MUTANTS[name])
    assert min(errors()) > 1e-3


def test_logits_that_are_far_from_0_have_finite_likelihoods():
    """Where sigmoid rounds to 1 in single precision, and one minus it to 0."""
    found = densities.log_bernoulli(torch.tensor([[0.0, 1.0]]), torch.tensor([[60.0, -200.0]]))
    assert found.item() == pytest.approx(-260.0)


def test_simulated_images_have_the_exact_probabilities():
    model = vae()
    x, z = model.simulate(20_000, generator=seeded(1))
    for corner in corners(DIM):
        expected = np.exp(logsumexp(on_the_grid(model, corner)[0]) + LOG_STEP)
        assert_mean((x.numpy() == corner).all(1).astype(float), expected)
    assert_mean((x - model.decode(z)).numpy() * z.numpy(), 0.0)


def test_loss_is_over_new_black_and_white_images_of_gray_ones():
    """Its mean over many calls is that over all images, by their probabilities; one gray image alone has another."""
    model, gray = vae(), torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    expected = 0.0
    z = torch.from_numpy(GRID)[:, None]
    for x in corners(DIM):
        copies, q = torch.from_numpy(x).expand(len(z), -1), np.exp(on_the_grid(model, x)[1] + LOG_STEP)
        weight = bernoulli.pmf(x.astype(int), gray.numpy()).prod()
        expected -= weight * (q @ model.bound_terms(copies, z).total.numpy())
    generator = seeded(2)
    losses = np.array([model.loss(gray.expand(100, -1), generator=generator).item() for _ in range(100)])
    assert_mean(losses, expected)


@pytest.mark.parametrize("n_importance_samples", [1, 5])
def test_loss_is_minus_iw_m_of_the_same_weights(n_importance_samples):
    """Of black and white images, with the same draws; with M = 1 the bound in their place."""
    model, x = vae(), torch.from_numpy(corners(DIM))
    model.n_importance_samples, generator = n_importance_samples, seeded(3)
    loss = model.loss(x, generator=generator)
    generator = seeded(3)
    torch.bernoulli(x, generator=generator)  # the images of the step, which stay what they are
    if n_importance_samples == 1:
        expected = model.bound_terms(x, model.infer(x, generator=generator)).total.mean()
    else:
        weights = importance.log_importance_weights(model, x, n_importance_samples=5, generator=generator)
        expected = importance.log_likelihood(weights).mean()
    assert -loss.item() == pytest.approx(expected.item(), abs=1e-10)


def test_training_learns_that_pixels_go_together():
    """Images that are all black or all white, in equal shares: log p = -log 2, and -3 log 2 for independent pixels."""
    gray = TrainingSet(
        (torch.rand(500, 1, generator=seeded(4)) < 0.5).float().expand(-1, 3).clone(), unit_interval=True
    )
    options = {"latent_dim": 1, "hidden_sizes": [8], "n_importance_samples": 5}
    model = BernoulliVAE.build(options, gray, generator=seeded(5))
    training = {"n_updates": 150, "batch_size": 100, "learning_rate": 2e-2}
    fit(model, gray, **training, generator=seeded(6), progress=lambda line: None)
    with torch.no_grad():
        weights = importance.log_importance_weights(model, gray.values, n_importance_samples=50, generator=seeded(7))
    assert -1.2 < importance.log_likelihood(weights).mean() < -0.68


def test_data_that_are_dequantized_are_refused():
    levels = TrainingSet(torch.zeros(9, DIM, dtype=torch.uint8), 2, True)
    with pytest.raises(ValueError, match="expected binarized images; choose"):
        BernoulliVAE.build({"latent_dim": 1, "hidden_sizes": []}, levels, generator=seeded(0))


def test_a_gray_image_is_one_black_and_white_image_in_every_function():
    """The bound, the weights and the draws of a gray image are those of the image that `binary` makes of it."""
    model, gray = vae(), torch.full((7, DIM), 0.4, dtype=torch.float64)
    x, z = binary(gray), torch.linspace(-1.0, 1.0, 7, dtype=torch.float64)[:, None]
    assert not torch.equal(x, gray)
    assert torch.equal(model.bound_terms(gray, z).total, model.bound_terms(x, z).total)
    assert torch.equal(model.log_weights(gray, z), model.log_weights(x, z))
    assert torch.equal(model.infer(gray, generator=seeded(8)), model.infer(x, generator=seeded(8)))
