"""The denoising auto-encoder's chains against their exact stationary moments, and walkback training."""

import numpy as np
import pytest
import torch
from torch import nn

from baselines.dae import DAE
from cdae.data import TrainingSet
from tests.helpers import LinearDenoiser, assert_mean, assert_moments, seeded
from tests.oracles import chains

MATRIX = np.array([[0.6, 0.3], [-0.2, 0.5]])
BIAS = np.array([0.4, -1.0])
C, RHO = 0.7, 0.4
OPTIONS = {"hidden_sizes": [8], "corruption_std": 0.5, "n_walkback_steps": 2, "chain_steps": [1, 5]}


def linear_dae(n_chains: int = 100, **options) -> DAE:
    starts = torch.randn(n_chains, 2, generator=seeded(0), dtype=torch.float64)
    model = DAE(LinearDenoiser(MATRIX, BIAS), corruption_std=C, starts=starts, **options)
    model.reconstruction_std.fill_(RHO)
    return model


@pytest.mark.parametrize("origin", ["data", "noise"])
def test_chains_have_their_exact_stationary_moments(origin):
    """20,000 independent chains after 40 steps: the sampling chain, and the mean-only chain with less variance."""
    mean = chains.stationary_mean(MATRIX, BIAS)
    sets = {s.variant.words: s for s in linear_dae(20_000, chain_steps=(40,)).sample_sets(20_000, generator=seeded(1))}
    covariances = {
        "sampling": chains.stationary_covariance(MATRIX, C, RHO),
        "mean-only": chains.stationary_covariance(MATRIX, C, 0.0),
    }
    for kind, covariance in covariances.items():
        assert_moments(sets[f"{kind} from {origin}, 40 steps"].values.numpy(), mean, covariance)
    values = {kind: sets[f"{kind} from {origin}, 40 steps"].values for kind in covariances}
    assert (values["mean-only"].var(0) < 0.8 * values["sampling"].var(0)).all()


def test_one_step_corrupts_denoises_and_adds_noise():
    """From one state: mean A x + b, covariance c^2 A A^T, with rho^2 I on top in the sampling chain."""
    model, x = linear_dae(), torch.tensor([1.0, 2.0], dtype=torch.float64)
    start, mean, spread = x.expand(20_000, -1), MATRIX @ x.numpy() + BIAS, C**2 * MATRIX @ MATRIX.T
    assert_moments(model.mean_step(start, generator=seeded(2)).numpy(), mean, spread)
    assert_moments(model.step(start, generator=seeded(2)).numpy(), mean, spread + RHO**2 * np.eye(2))


def test_sample_sets_are_labelled_by_chain_start_and_number_of_steps():
    sets = list(linear_dae(chain_steps=(1, 3)).sample_sets(7, generator=seeded(3)))
    assert [s.variant.words for s in sets] == [
        f"{kind} from {origin}, {n} steps"
        for kind in ("sampling", "mean-only")
        for origin in ("data", "noise")
        for n in (1, 3)
    ]
    assert [s.variant.n_chain_steps for s in sets] == [1, 3] * 4
    assert all(s.values.shape == (7, 2) for s in sets)


def test_more_chains_than_starts_start_from_them_again():
    model = linear_dae(n_chains=3, chain_steps=(1,))
    model.reconstruction_std.zero_()
    model.corruption_std = 1e-12
    first = next(model.sample_sets(7, generator=seeded(4))).values.numpy()
    expected = model.starts[[0, 1, 2, 0, 1, 2, 0]].numpy() @ MATRIX.T + BIAS
    np.testing.assert_allclose(first, expected, atol=1e-9)


def test_distance_to_the_start_is_root_mean_square_over_pixels_and_chains():
    """For r(x) = x + 3 and almost no noise, every step moves by 3 in every pixel."""
    model = DAE(
        LinearDenoiser(np.eye(2), np.array([3.0, 3.0])),
        corruption_std=1e-12,
        starts=torch.zeros(4, 2, dtype=torch.float64),
        chain_steps=(1, 2),
    )
    model.reconstruction_std.zero_()
    sets = model.sample_sets(4, generator=seeded(5))
    assert [round(s.rms_distance_to_start, 6) for s in sets][:2] == [3.0, 6.0]


def test_noise_starts_have_the_moments_of_the_corrupted_data():
    """Of a diagonal Gaussian: mean of the starts, variance of the starts plus c^2."""
    model = linear_dae(50)
    noise = model.noise_starts(20_000, generator=seeded(6)).numpy()
    variance = model.starts.numpy().var(0) + C**2
    assert_moments(noise, model.starts.numpy().mean(0), np.diag(variance))


def test_refit_sets_the_mean_squared_error_per_dimension():
    """Recomputed in NumPy from the same corruption, over more rows than one chunk."""
    model, x = linear_dae(), torch.randn(2_345, 2, generator=seeded(7), dtype=torch.float64)
    model.refit(x, generator=seeded(8))
    again = seeded(8)
    corrupted = torch.cat([model.corrupt(chunk, generator=again) for chunk in x.split(1_000)]).numpy()
    mse = np.square(x.numpy() - corrupted @ MATRIX.T - BIAS).mean()
    assert model.reconstruction_std.item() == pytest.approx(np.sqrt(mse), rel=1e-12)


def test_plain_loss_is_the_squared_error_of_one_corruption():
    model, x = linear_dae(), torch.randn(5, 2, generator=seeded(9), dtype=torch.float64)
    corrupted = model.corrupt(x, generator=seeded(10)).numpy()
    expected = np.square(x.numpy() - corrupted @ MATRIX.T - BIAS).sum(1).mean()
    assert model.loss(x, generator=seeded(10)).item() == pytest.approx(expected, rel=1e-12)


class Recorder(nn.Module):
    """Answers a constant and counts the rows it was asked about."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def forward(self, x, level):
        assert (level == 1).all()
        self.rows.append(len(x))
        return torch.full_like(x, 5.0)


def test_walkback_targets_the_training_example_from_every_state():
    """About half of the chains go on each step; for a constant answer every error is that of the example itself."""
    denoiser = Recorder()
    x = torch.zeros(4_000, 2)
    model = DAE(denoiser, corruption_std=C, starts=x, n_walkback_steps=3)
    assert model.loss(x, generator=seeded(11)).item() == 50.0
    assert len(denoiser.rows) == 4 and denoiser.rows[0] == 4_000
    for before, after in zip(denoiser.rows[:-1], denoiser.rows[1:], strict=True):
        assert abs(after - before / 2) < 5 * np.sqrt(before) / 2


def test_walkback_visits_what_the_chain_visits():
    """The second state is corrupted around a sample of the chain: its spread has rho^2 in it."""
    seen = []

    class Spy(LinearDenoiser):
        def forward(self, x, level):
            seen.append(x.numpy())
            return super().forward(x, level)

    x = torch.zeros(40_000, 2, dtype=torch.float64)
    model = DAE(Spy(MATRIX, BIAS), corruption_std=C, starts=x, n_walkback_steps=1)
    model.reconstruction_std.fill_(RHO)
    model.loss(x, generator=seeded(12))
    assert_moments(seen[0], np.zeros(2), C**2 * np.eye(2))
    assert_moments(seen[1], BIAS, C**2 * MATRIX @ MATRIX.T + (RHO**2 + C**2) * np.eye(2))


def test_walkback_with_nobody_going_on_is_the_plain_loss(monkeypatch):
    monkeypatch.setattr("baselines.dae.WALKBACK_CONTINUATION", 0.0)
    x = torch.randn(5, 2, generator=seeded(13), dtype=torch.float64)
    losses = [linear_dae(n_walkback_steps=n).loss(x, generator=seeded(14)) for n in (0, 4)]
    assert torch.equal(*losses)


def test_rows_that_fill_a_batch_up_change_no_answer():
    """Only their number is rounded up, so that walkback has batches of few sizes."""
    denoiser, model = Recorder(), linear_dae()
    for n in (1, 31, 32, 33):
        x = torch.randn(n, 2, generator=seeded(17), dtype=torch.float64)
        torch.testing.assert_close(model.reconstruct(x), x @ torch.from_numpy(MATRIX.T) + torch.from_numpy(BIAS))
        DAE(denoiser, corruption_std=C, starts=x).reconstruct(x)
    assert denoiser.rows == [32, 32, 32, 64]


@pytest.mark.parametrize("bad", [0.0, -0.1, float("inf"), float("nan")])
def test_corruption_must_be_positive(bad):
    with pytest.raises(ValueError, match=r"corruption_std: got .*, expected a number above 0"):
        DAE(Recorder(), corruption_std=bad, starts=torch.zeros(1, 2))


def test_build_follows_its_options():
    """The corruption is in units of the pooled std; starts are dequantized examples of the training set."""
    values = torch.randint(0, 17, (60, 4), generator=seeded(15), dtype=torch.uint8)
    training_set = TrainingSet(values, 17, unit_interval=True)
    model = DAE.build(OPTIONS, training_set, generator=seeded(16))
    assert model.corruption_std == pytest.approx(0.5 * training_set.summary().pooled_std)
    assert (model.n_walkback_steps, model.chain_steps) == (2, (1, 5))
    assert torch.equal((17 * model.starts).floor(), values.float())
    assert_mean(17 * model.starts.numpy().reshape(-1, 1) - values.numpy().reshape(-1, 1), 0.5)


def test_starts_are_not_part_of_the_weights():
    """A file of weights holds no training images."""
    assert "starts" not in linear_dae().state_dict()
