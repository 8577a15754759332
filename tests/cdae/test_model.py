"""The cascade as a model: prior, ancestral sampling against the oracle, construction, any module as denoiser."""

import numpy as np
import pytest
import torch
from torch import nn

from cdae import bound
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet
from cdae.model import CDAE, LOSSES
from cdae.training import fit
from tests.helpers import CDAE_OPTIONS, LinearDenoiser, assert_moments, linear_cascade, seeded


class RecordingDenoiser(nn.Module):
    """Answers x plus the level, so that what the cascade asked for can be read from the answer."""

    def forward(self, x, level):
        return x + level[:, None]


def recording_cascade(n_levels: int = 3) -> CDAE:
    schedule = NoiseSchedule.linear(n_levels, 0.5, 1.5)
    return CDAE(RecordingDenoiser(), schedule, data_mean=torch.zeros(2), data_std=torch.ones(2))


@pytest.mark.parametrize(("seed", "n_levels"), [(0, 1), (1, 3), (2, 5)])
def test_samples_have_the_exact_moments_of_the_marginal(seed, n_levels):
    """Mean and full covariance of x_0: pins the order of levels, rho at its level, and the prior."""
    model, oracle = linear_cascade(seed, dim=3, n_levels=n_levels)
    mean_set, sample_set = model.sample_sets(40_000, generator=seeded(seed))
    mean, covariance = oracle.marginal()
    assert sample_set.variant.words == "last step sample" and mean_set.variant.words == "last step mean"
    assert_moments(sample_set.values.numpy(), mean, covariance)
    assert_moments(mean_set.values.numpy(), mean, covariance - oracle.reconstruction_std[0] ** 2 * np.eye(3))


def test_last_step_variants_are_the_same_draws_apart_from_the_last_noise():
    """sample - mean is N(0, rho_0^2 I)."""
    model, oracle = linear_cascade(3, dim=3, n_levels=3)
    mean_set, sample_set = model.sample_sets(20_000, generator=seeded(0))
    noise = (sample_set.values - mean_set.values).numpy()
    assert_moments(noise, np.zeros(3), oracle.reconstruction_std[0] ** 2 * np.eye(3))


def test_ancestral_path_holds_every_state_from_the_prior_down():
    """Moments of each state are those of the oracle's joint; the last is a mean, without noise."""
    model, oracle = linear_cascade(4, dim=2, n_levels=3)
    path = model.ancestral_path(20_000, generator=seeded(1))
    assert path.shape == (4, 20_000, 2)
    mean, covariance = oracle.joint_moments()
    for state, level in zip(path[:-1], (3, 2, 1), strict=True):
        block = slice(2 * level, 2 * level + 2)
        assert_moments(state.numpy(), mean[block], covariance[block, block])
    torch.testing.assert_close(path[-1], model.denoiser(path[-2], torch.ones(20_000)))


def test_simulated_data_and_their_latents_have_the_exact_joint_moments():
    """x_0 with its last noise, and latents from x_1 up."""
    model, oracle = linear_cascade(6, dim=2, n_levels=3)
    x, latents = model.simulate(20_000, generator=seeded(4))
    assert latents.shape == (3, 20_000, 2)
    assert_moments(torch.cat([x[None], latents]).permute(1, 0, 2).reshape(20_000, 8).numpy(), *oracle.joint_moments())


def test_denoise_and_sampling_tell_the_denoiser_its_level():
    model = recording_cascade()
    expected = torch.tensor([1.0, 2.0, 3.0])[:, None, None].expand(3, 4, 2)
    assert torch.equal(model.denoise(torch.zeros(3, 4, 2)), expected)
    model.reconstruction_std.zero_()
    path = model.ancestral_path(5, generator=seeded(0))
    steps = path[1:] - path[:-1]
    torch.testing.assert_close(steps[:, 0, 0], torch.tensor([3.0, 2.0, 1.0], dtype=steps.dtype))


def test_sampling_in_chunks_is_sampling(monkeypatch):
    model, _ = linear_cascade(5, dim=2, n_levels=2)
    whole = model.ancestral_path(25, generator=seeded(2))
    monkeypatch.setattr("cdae.model.EXAMPLES", 10)
    torch.testing.assert_close(model.ancestral_path(25, generator=seeded(2)), whole, rtol=1e-14, atol=1e-14)


def test_prior_is_the_minimiser_of_the_prior_divergence():
    """The third term of Eq. 6, averaged over the data, grows on both sides of mu and of s, in every dimension."""
    data = torch.from_numpy(np.random.default_rng(0).standard_normal((50, 3)) * [0.5, 1.0, 2.0] + [0.0, 1.0, -1.0])
    model = CDAE(
        LinearDenoiser(np.eye(3), np.zeros(3)),
        NoiseSchedule((0.0, 0.4, 0.8)),
        data_mean=data.mean(0),
        data_std=data.std(0, correction=0),
    )
    noisy = data.expand(2, -1, -1)
    fitted = bound.bound_terms(model, data, noisy).prior_kl.mean()
    for buffer in (model.prior_mean, model.prior_std):
        for j in range(3):
            for step in (-1e-2, -1e-4, 1e-4, 1e-2):
                buffer[j] += step
                assert bound.bound_terms(model, data, noisy).prior_kl.mean() > fitted
                buffer[j] -= step


def test_first_reconstruction_std_is_that_of_a_denoiser_that_answers_the_mean():
    data_std = torch.tensor([1.0, 3.0])
    model = CDAE(RecordingDenoiser(), NoiseSchedule((0.0, 0.5, 2.0)), data_mean=torch.zeros(2), data_std=data_std)
    expected = torch.tensor([5.0, 5.25], dtype=torch.float64).sqrt()
    torch.testing.assert_close(model.reconstruction_std, expected)


def test_infer_draws_one_corruption_of_each_level():
    model, _ = linear_cascade(6, dim=2, n_levels=3)
    x = torch.tensor([1.0, -1.0], dtype=torch.float64)
    noisy = model.infer(x.expand(20_000, -1), generator=seeded(3))
    for copies, c in zip(noisy, model.corruption_std[1:], strict=True):
        assert_moments(copies.numpy(), x.numpy(), c.item() ** 2 * np.eye(2))


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss: got 'other', expected one of shrunk, shrunk_uniform, full"):
        CDAE(
            RecordingDenoiser(),
            NoiseSchedule((0.0, 1.0)),
            data_mean=torch.zeros(2),
            data_std=torch.ones(2),
            loss="other",
        )


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_data_std_must_be_a_standard_deviation(bad):
    with pytest.raises(ValueError, match="data_std: got a negative or infinite entry"):
        CDAE(
            RecordingDenoiser(),
            NoiseSchedule((0.0, 1.0)),
            data_mean=torch.zeros(2),
            data_std=torch.tensor([1.0, bad]),
        )


def test_zero_data_std_is_allowed_because_real_images_have_constant_pixels():
    model = CDAE(
        RecordingDenoiser(), NoiseSchedule((0.0, 2.0)), data_mean=torch.zeros(2), data_std=torch.tensor([0.0, 1.0])
    )
    torch.testing.assert_close(model.prior_std, torch.tensor([4.0, 5.0], dtype=torch.float64).sqrt())


@pytest.mark.parametrize("denoiser", ["blind", "conditioned", "unshared"])
@pytest.mark.parametrize("loss", LOSSES)
def test_build_follows_its_options(denoiser, loss):
    """Schedule ends are in units of the pooled std of the data; the prior is that of the data."""
    values = 3.0 * torch.randn(500, 4, generator=seeded(0)) + 1.0
    training_set = TrainingSet(values)
    model = CDAE.build(CDAE_OPTIONS | {"denoiser": denoiser, "loss": loss}, training_set, generator=seeded(1))
    std = training_set.summary().pooled_std
    np.testing.assert_allclose(model.corruption_std, [0.0, 0.2 * std, 0.4**0.5 * std, 2.0 * std], rtol=1e-12)
    assert model.n_levels == 3 and model.loss_name == loss
    torch.testing.assert_close(model.prior_mean, values.double().mean(0))
    x = values[:2]
    answers = [model.denoiser(x, torch.full((2,), level)) for level in (1, 3)]
    assert torch.equal(*answers) != (denoiser != "blind")
    assert model.loss(x, generator=seeded(2)).requires_grad


def test_build_refuses_a_cascade_without_levels():
    with pytest.raises(ValueError, match="n_levels = 0, expected at least 1"):
        CDAE.build(
            CDAE_OPTIONS | {"n_levels": 0}, TrainingSet(torch.randn(9, 2, generator=seeded(0))), generator=seeded(1)
        )


class OwnDenoiser(nn.Module):
    """What a user might write: one affine layer, and a bias for each level."""

    def __init__(self, dim: int, n_levels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(dim))
        self.bias = nn.Parameter(torch.zeros(n_levels, dim))

    def forward(self, x, level):
        return x @ self.weight + self.bias[level - 1]


def test_any_module_will_do_as_denoiser():
    """It is trained, its bound rises, and it is sampled."""
    x = 2.0 + 0.5 * torch.randn(400, 3, generator=seeded(0))
    model = CDAE(OwnDenoiser(3, 2), NoiseSchedule((0.0, 0.3, 1.0)), data_mean=x.mean(0), data_std=x.std(0))
    model.refit(x, generator=seeded(1))
    with torch.no_grad():
        before = bound.elbo(model, x, generator=seeded(2)).total.mean()
    fit(model, TrainingSet(x), n_updates=100, batch_size=50, learning_rate=0.02, generator=seeded(3), progress=str)
    with torch.no_grad():
        after = bound.elbo(model, x, generator=seeded(2)).total.mean()
    assert after > before + 0.2
    assert all(s.values.shape == (10, 3) for s in model.sample_sets(10, generator=seeded(4)))


def test_a_denoiser_without_parameters_can_be_evaluated():
    """On float32 data, as the data sets are."""
    model = recording_cascade()
    x = torch.randn(6, 2, generator=seeded(0))
    model.refit(x, generator=seeded(1))
    noisy = model.infer(x, generator=seeded(2))
    assert model.bound_terms(x, noisy).total.isfinite().all()
    assert model.log_weights(x, noisy).isfinite().all()
    assert next(model.sample_sets(4, generator=seeded(3))).values.shape == (4, 2)


def test_model_methods_are_the_functions_of_their_modules():
    model, _ = linear_cascade(7, dim=2, n_levels=2)
    x = torch.zeros(3, 2, dtype=torch.float64)
    noisy = model.infer(x, generator=seeded(0))
    assert torch.equal(model.bound_terms(x, noisy).total, bound.bound_terms(model, x, noisy).total)
