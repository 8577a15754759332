"""Priors of a cascade: closed forms against SciPy, minimisers of their own term, and the cascades that they make."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from cdae import bound, checkpoint, gaussian, prior
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet
from cdae.estimators import proposals, quadrature
from cdae.model import CDAE
from cdae.prior import KINDS, DiagonalPrior, FullPrior
from tests.helpers import (
    CDAE_OPTIONS,
    LinearDenoiser,
    assert_mean,
    assert_moments,
    correlated,
    linear_cascade,
    mutated,
    seeded,
    shared_noise,
)
from tests.helpers import quadrature as quadrature_points
from tests.oracles import proposals as oracles

DIM = 4
RNG = np.random.default_rng(0)
MEAN, STD = RNG.standard_normal(DIM), RNG.uniform(0.3, 2.0, DIM)
COVARIANCE = correlated(0, STD)
X = torch.from_numpy(RNG.standard_normal((5, 3, DIM)))
STDS_Q = [np.array(0.7), RNG.uniform(0.2, 1.5, DIM)]


def diagonal_prior():
    return DiagonalPrior(torch.from_numpy(MEAN), torch.from_numpy(STD)), np.diag(STD**2)


def full_prior():
    factor = torch.from_numpy(np.linalg.cholesky(COVARIANCE))
    return FullPrior(torch.from_numpy(MEAN), factor), COVARIANCE


PRIORS = {"diagonal": diagonal_prior, "full": full_prior}


@pytest.mark.parametrize("name", PRIORS)
def test_log_prob_equals_scipy(name):
    """In any number of batch axes, and in float32 to its precision."""
    p, covariance = PRIORS[name]()
    exact = multivariate_normal(MEAN, covariance).logpdf(X.numpy())
    np.testing.assert_allclose(p.log_prob(X), exact, rtol=1e-12)
    np.testing.assert_allclose(p.log_prob(X[0]), exact[0], rtol=1e-12)
    assert p.log_prob(X.float()).dtype == torch.float64
    np.testing.assert_allclose(p.log_prob(X.float()), exact, rtol=1e-5)


def divergence_error(p, covariance, std_q) -> float:
    """Of KL(q, p) against E_q[log q - log p], exact on the quadrature points, at three means."""
    z, largest = quadrature_points(DIM).numpy(), 0.0
    std = np.broadcast_to(std_q, DIM)
    kl = p.kl_from(X[0], torch.tensor(std_q)).numpy()
    for mean, value in zip(X[0].numpy(), kl, strict=True):
        q, states = multivariate_normal(mean, np.diag(std**2)), mean + std * z
        expected = (q.logpdf(states) - multivariate_normal(MEAN, covariance).logpdf(states)).mean()
        largest = max(largest, abs(value / expected - 1.0))
    return largest


@pytest.mark.parametrize("std_q", STDS_Q, ids=["one", "per pixel"])
@pytest.mark.parametrize("name", PRIORS)
def test_kl_is_the_mean_log_ratio(name, std_q):
    assert divergence_error(*PRIORS[name](), std_q) < 1e-11


GAUSSIAN_MUTANTS = {
    "trace dropped": ("0.5 * (ratio.square().sum() - dim)", "0.0"),
    "std for its square in the trace": ("(ratio.square().sum() - dim)", "(ratio.diagonal().sum() - dim)"),
    "log determinant of p with the wrong sign": ("- dim) + factor.diagonal()", "- dim) - factor.diagonal()"),
    "log determinant of q dropped": (" - std_q.log().sum()", ""),
    "means not whitened": ("squared_norm(whiten(mean_q, mean_p, factor))", "squared_norm(mean_q - mean_p)"),
    "factor transposed": ("solve_triangular(factor, (x - mean).mT, upper=False)",
                          "solve_triangular(factor.mT, (x - mean).mT, upper=True)"),
    "not from the mean": ("solve_triangular(factor, (x - mean).mT", "solve_triangular(factor, x.mT"),
}  # fmt: skip


@pytest.mark.parametrize("name", GAUSSIAN_MUTANTS)
def test_mutants_of_the_full_divergence_are_seen(name, monkeypatch):
    monkeypatch.setattr(prior, "kl_normal_full", mutated(gaussian, *GAUSSIAN_MUTANTS[name]).kl_normal_full)
    assert divergence_error(*full_prior(), STDS_Q[1]) > 1e-3


@pytest.mark.parametrize("name", ["factor transposed", "not from the mean"])
def test_mutants_of_the_full_density_are_seen(name, monkeypatch):
    monkeypatch.setattr(prior, "log_normal_full", mutated(gaussian, *GAUSSIAN_MUTANTS[name]).log_normal_full)
    exact = multivariate_normal(MEAN, COVARIANCE).logpdf(X.numpy())
    assert np.abs(full_prior()[0].log_prob(X).numpy() - exact).max() > 0.1


@pytest.mark.parametrize("name", PRIORS)
def test_samples_have_the_moments(name):
    p, covariance = PRIORS[name]()
    assert_moments(p.sample(40_000, generator=seeded(1)).numpy(), MEAN, covariance)


def test_a_mutant_of_the_draws_is_seen():
    full, covariance = full_prior()
    mutant = FullPrior(full.mean, full.factor.mT)  # noise @ factor
    with pytest.raises(AssertionError):
        assert_moments(mutant.sample(40_000, generator=seeded(1)).numpy(), MEAN, covariance)


@pytest.mark.parametrize("std_q", STDS_Q, ids=["one", "per pixel"])
@pytest.mark.parametrize("name", PRIORS)
def test_largest_ratio_is_the_largest_generalised_eigenvalue(name, std_q):
    """The eigenvalue is that of the covariance against diag std^2."""
    p, covariance = PRIORS[name]()
    scaled = covariance / np.outer(*[np.broadcast_to(std_q, DIM)] * 2)
    expected = np.sqrt(np.linalg.eigvalsh(scaled)[-1])
    assert p.largest_ratio(torch.tensor(std_q)).item() == pytest.approx(expected, rel=1e-12)


def test_a_full_prior_of_a_diagonal_covariance_equals_the_diagonal_one():
    full = FullPrior(torch.from_numpy(MEAN), torch.diag(torch.from_numpy(STD)))
    diagonal, _ = diagonal_prior()
    torch.testing.assert_close(full.log_prob(X), diagonal.log_prob(X), rtol=1e-13, atol=0.0)
    c = torch.tensor(0.7, dtype=torch.float64)
    torch.testing.assert_close(full.kl_from(X[0], c), diagonal.kl_from(X[0], c), rtol=1e-13, atol=0.0)
    assert torch.equal(full.sample(5, generator=seeded(0)), diagonal.sample(5, generator=seeded(0)))


def data_and_model(kind: str) -> tuple[torch.Tensor, CDAE]:
    data = torch.from_numpy(np.random.default_rng(0).multivariate_normal(MEAN, COVARIANCE, 50))
    covariance = torch.from_numpy(np.cov(data.numpy().T, bias=True))
    model = CDAE(
        LinearDenoiser(np.eye(DIM), np.zeros(DIM)),
        NoiseSchedule((0.0, 0.4, 0.8)),
        data_mean=data.mean(0),
        data_std=data.std(0, correction=0),
        prior=kind,
        data_covariance=covariance if kind == "full" else None,
    )
    return data, model


def moved(model: CDAE, kind: str, step: float) -> list:
    """Priors of the same kind, a step away in every one of their numbers."""
    mean, found = model.prior_mean, []
    unit = torch.eye(DIM, dtype=torch.float64)
    for j in range(DIM):
        if kind == "full":
            found.append(FullPrior(mean + step * unit[j], model.prior_factor))
            for i in range(j, DIM):
                found.append(FullPrior(mean, model.prior_factor + step * torch.outer(unit[i], unit[j])))
        else:
            found.append(DiagonalPrior(mean + step * unit[j], model.prior_std))
            found.append(DiagonalPrior(mean, model.prior_std + step * (1.0 if kind == "isotropic" else unit[j])))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_prior_is_the_minimiser_of_the_prior_divergence_in_its_kind(kind):
    """The third term of Eq. 6, averaged over the data, grows on both sides of every number."""
    data, model = data_and_model(kind)
    c = model.corruption_std[-1]
    fitted = model.prior.kl_from(data, c).mean()
    for step in (-1e-2, -1e-4, 1e-4, 1e-2):
        assert all(other.kl_from(data, c).mean() > fitted for other in moved(model, kind, step))


def test_richer_kinds_have_smaller_divergences():
    """On the data they are fitted to: isotropic, diagonal, full."""
    divergences = []
    for kind in KINDS:
        data, model = data_and_model(kind)
        divergences.append(model.prior.kl_from(data, model.corruption_std[-1]).mean().item())
    assert divergences[0] > divergences[1] + 0.01 and divergences[1] > divergences[2] + 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("seed", "dim", "n_levels"), [(0, 1, 1), (1, 3, 1), (2, 5, 3), (3, 20, 10)])
@pytest.mark.parametrize("reconstruction", ["isotropic", "per_pixel"])
def test_log_density_is_expected_bound_plus_gap(seed, dim, n_levels, kind, reconstruction):
    """Eq. 10 at 1e-10 with every prior."""
    model, oracle = linear_cascade(seed, dim, n_levels, prior=kind, reconstruction=reconstruction)
    x = 1.5 * np.random.default_rng(seed).standard_normal(dim)
    expected = bound.bound_terms(model, *shared_noise(model, torch.from_numpy(x))).total.mean().item()
    gap = oracle.gap(x)
    assert abs(oracle.log_prob(x) - expected - gap) / max(1.0, gap) < 1e-10


@pytest.mark.parametrize("kind", KINDS)
def test_log_weights_are_joint_over_inference(kind):
    """Under the paper's inference model by both ways to it, and under the guided one."""
    model, oracle = linear_cascade(4, 3, 4, prior=kind)
    states = np.random.default_rng(1).standard_normal((6, 5, 3))
    x, latents = torch.from_numpy(states[:, 0]), torch.from_numpy(states[:, 1:]).permute(1, 0, 2)
    log_joint = oracle.log_joint(states.reshape(6, -1))
    exact = log_joint - oracle.log_inference(states.reshape(6, -1))
    np.testing.assert_allclose(model.log_weights(x, latents), exact, rtol=1e-11)
    share, std = np.array([0.9, 0.5, 0.2, 0.7]), np.array([0.3, 0.5, 1.1, 2.0])
    guided, x_hat = proposals.Guided(torch.from_numpy(share), torch.from_numpy(std)), model.denoise(latents)
    ratio = proposals.log_joint(model, x, latents, x_hat) - proposals.log_proposal(model, guided, x, latents, x_hat)
    np.testing.assert_allclose(ratio, log_joint - oracles.guided(oracle, states, share, std), rtol=1e-11)


def test_variance_ratio_at_the_top_is_that_of_the_widest_direction():
    model, oracle = linear_cascade(5, 3, 2, prior="full")
    ratio = proposals.variance_ratios(model, proposals.Paper())[-1].item()
    widest = np.linalg.eigvalsh(oracle.top_covariance)[-1]
    assert ratio == pytest.approx(widest / oracle.corruption_std[-1] ** 2, rel=1e-12)
    assert widest > 1.05 * oracle.prior_std.max() ** 2


@pytest.mark.parametrize("kind", KINDS)
def test_simulated_data_and_their_latents_have_the_exact_joint_moments(kind):
    model, oracle = linear_cascade(6, 2, 2, prior=kind)
    x, latents = model.simulate(20_000, generator=seeded(4))
    assert_moments(torch.cat([x[None], latents]).permute(1, 0, 2).reshape(20_000, 6).numpy(), *oracle.joint_moments())
    assert_mean(next(model.sample_sets(20_000, generator=seeded(5))).values.numpy(), oracle.marginal()[0])


@pytest.mark.parametrize("kind", KINDS)
def test_quadrature_in_one_dimension(kind):
    model, oracle = linear_cascade(8, 1, 3, prior=kind)
    x = np.linspace(-3.0, 3.0, 7)[:, None]
    np.testing.assert_allclose(quadrature.log_density(model, torch.from_numpy(x)), oracle.log_prob(x), atol=1e-9)


def levels() -> TrainingSet:
    values = torch.randint(0, 9, (300, DIM), dtype=torch.uint8, generator=seeded(0))
    values[:, 1] = values[:, 0]  # two equal pixels: the data's covariance is all but singular, the prior's is not
    values[:, 2] = 4
    return TrainingSet(values, 9, unit_interval=True)


@pytest.mark.parametrize("kind", KINDS)
def test_build_fits_the_prior_to_the_data_and_weights_come_back_from_the_file(kind, tmp_path):
    training_set = levels()
    model, other = (CDAE.build(CDAE_OPTIONS | {"prior": kind}, training_set, generator=seeded(s)) for s in (1, 2))
    c, covariance = model.corruption_std[-1].item(), training_set.covariance().numpy()
    variance = np.diag(covariance)
    data = {"isotropic": variance.mean() * np.eye(DIM), "diagonal": np.diag(variance), "full": covariance}[kind]
    expected = multivariate_normal(training_set.summary().mean, data + c**2 * np.eye(DIM))
    np.testing.assert_allclose(model.prior.log_prob(X), expected.logpdf(X.numpy()), rtol=1e-10)
    model.prior_mean += 1.0
    checkpoint.save(model, tmp_path / "weights")
    checkpoint.load(other, tmp_path / "weights")
    assert torch.equal(other.prior.log_prob(X), model.prior.log_prob(X))
    assert ("prior_factor" in model.state_dict()) == (kind == "full")
    assert next(model.sample_sets(4, generator=seeded(3))).values.dtype == torch.float32


def test_unknown_and_incomplete_priors_are_refused():
    with pytest.raises(ValueError, match="prior: got 'other', expected one of isotropic, diagonal, full"):
        CDAE.build(CDAE_OPTIONS | {"prior": "other"}, levels(), generator=seeded(1))
    arguments = {"data_mean": torch.zeros(2), "data_std": torch.ones(2)}
    denoiser = LinearDenoiser(np.eye(2), np.zeros(2))
    with pytest.raises(ValueError, match=r"data_covariance: expected for a full prior, and for no other; .* 'full'"):
        CDAE(denoiser, NoiseSchedule((0.0, 1.0)), **arguments, prior="full")
    with pytest.raises(ValueError, match=r"data_covariance: expected for a full prior, and for no other; .* 'diag"):
        CDAE(denoiser, NoiseSchedule((0.0, 1.0)), **arguments, data_covariance=torch.eye(2))
