"""A pilot learns the best denoiser at every level at once, and its errors are those that were measured."""

import numpy as np
import pytest
import torch
from torch import nn

from cdae import error_curve
from cdae.data import TrainingSet
from cdae.error_curve import ErrorCurve, measure_errors
from cdae.interfaces import DivergenceError, Trainable
from cdae.pilot import N_KNOTS, Pilot
from cdae.training import fit
from tests.helpers import seeded
from tests.oracles.schedules import wiener_error

STD = torch.tensor([0.3, 1.0, 2.0])


def gaussian_data(n: int = 4_000) -> TrainingSet:
    return TrainingSet(STD * torch.randn(n, len(STD), generator=seeded(0)))


class Shrinking(nn.Module):
    """r(x) = factor x."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor, dtype=torch.float64))

    def forward(self, x, level):
        return self.factor * x


def shrinking_pilot(factor: float = 0.5) -> Pilot:
    return Pilot(Shrinking(factor), first_std=0.1, last_std=2.0, data_variance=1.0)


def test_measured_errors_are_those_of_a_linear_denoiser():
    """E (x - a (x + c z))_j^2 = (1 - a)^2 x_j^2 + a^2 c^2, over 40,000 copies of one example."""
    x = torch.tensor([1.0, -2.0], dtype=torch.float64)
    c = torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64)
    found = measure_errors(lambda noisy: 0.7 * noisy, x.expand(40_000, 2), c, generator=seeded(1))
    expected = 0.09 * x.square() + 0.49 * c.square()[:, None]
    np.testing.assert_allclose(found, expected, rtol=0.03)
    assert found.dtype == torch.float64


def test_all_levels_share_their_draw():
    x = torch.zeros(10, 2, dtype=torch.float64)
    found = measure_errors(lambda noisy: noisy, x, torch.tensor([1.0, 2.0]), generator=seeded(2))
    torch.testing.assert_close(found[1], 4.0 * found[0])


def test_the_loss_is_the_mean_over_log_levels_of_the_relative_error():
    """With the weights of its own errors a denoiser has a loss of dim / 2; weights are interpolated, and so is that."""
    pilot, x = shrinking_pilot(), torch.randn(60_000, 4, generator=seeded(3), dtype=torch.float64)
    pilot.refit(x, generator=seeded(4))
    c = pilot.knot_std.numpy()
    np.testing.assert_allclose(pilot.log_mse.exp(), 0.25 + 0.25 * c**2, rtol=0.02)
    loss = pilot.loss(x, generator=seeded(5)).item()
    assert abs(loss - 2.0) < 0.04
    pilot.log_mse += np.log(2.0)
    np.testing.assert_allclose(pilot.loss(x, generator=seeded(5)).item(), loss / 2, rtol=1e-9)


def test_levels_are_drawn_evenly_in_their_logarithm(monkeypatch):
    pilot, x = shrinking_pilot(), torch.zeros(20_000, 1, dtype=torch.float64)
    seen = []
    monkeypatch.setattr(pilot, "denoise", lambda noisy: seen.append(noisy) or noisy)
    pilot.loss(x, generator=seeded(6))
    # E log |c z| = E log c + E log |z|, and E log |z| = -(gamma + log 2) / 2
    expected = 0.5 * (np.log(0.1) + np.log(2.0)) - 0.5 * (np.euler_gamma + np.log(2.0))
    assert abs(seen[0].abs().log().mean().item() - expected) < 0.05


def test_weights_are_interpolated_between_knots():
    pilot = shrinking_pilot()
    pilot.log_mse.copy_(torch.arange(N_KNOTS).double() ** 2)
    share = torch.tensor([0.0, 1.5, 3.0, N_KNOTS - 1.0], dtype=torch.float64) / (N_KNOTS - 1)
    np.testing.assert_allclose(pilot.log_mse_at(share), [0.0, 2.5, 9.0, (N_KNOTS - 1) ** 2], rtol=1e-12)


def test_a_trained_pilot_comes_close_to_the_best_errors():
    """Those of the Wiener filter, which sees the level; a blind network has to guess it, so levels are close here."""
    data, c = gaussian_data(), torch.tensor([0.5, 0.8], dtype=torch.float64)
    unit = data.summary().pooled_std
    ends = {"first_std": 0.5 / unit, "last_std": 0.8 / unit}
    pilot = Pilot.build(data, hidden_sizes=[32], **ends, generator=seeded(7))
    assert isinstance(pilot, Trainable)
    fit(pilot, data, n_updates=800, batch_size=128, learning_rate=5e-3, generator=seeded(8), progress=lambda _: None)
    found = measure_errors(pilot.denoise, data.draw(generator=seeded(9)), c, generator=seeded(10)).mean(1).numpy()
    best = wiener_error(STD.numpy() ** 2, c.numpy()).mean(1)
    assert (found > 0.93 * best).all() and (found < 1.15 * best).all(), found / best


def test_a_pilot_that_diverges_says_so():
    with pytest.raises(DivergenceError, match="of the pilot"):
        shrinking_pilot(float("nan")).refit(torch.ones(3, 2, dtype=torch.float64), generator=seeded(11))


def curve() -> ErrorCurve:
    std = torch.tensor([0.1, 0.4, 1.6], dtype=torch.float64)
    mse = torch.tensor([[0.01, 0.1], [0.04, 0.4], [0.04, 0.1]], dtype=torch.float64)
    return ErrorCurve(std, mse, 2.0 * mse)


def test_a_level_between_those_of_the_grid_is_interpolated():
    found, i = curve().with_level(0.2)
    assert i == 1 and found.relative_std.tolist() == [0.1, 0.2, 0.4, 1.6]
    np.testing.assert_allclose(found.mse_train[1], [0.02, 0.2])
    np.testing.assert_allclose(found.mse_validation, 2.0 * found.mse_train)
    np.testing.assert_allclose(found.mse_train[[0, 2, 3]], curve().mse_train)


@pytest.mark.parametrize(("level", "index"), [(0.1, 0), (0.4, 1), (1.6, 2)])
def test_a_level_of_the_grid_is_taken_as_it_is(level, index):
    found, i = curve().with_level(level)
    assert i == index and found.relative_std.tolist() == curve().relative_std.tolist()


@pytest.mark.parametrize("level", [0.05, 1.7])
def test_a_level_outside_the_grid_is_refused(level):
    with pytest.raises(ValueError, match=f"level: got {level}, expected 0.1 to 1.6"):
        curve().with_level(level)


def test_a_curve_that_is_none_is_refused():
    good = curve()
    for std, mse in [
        (good.relative_std.flip(0), good.mse_train),
        (good.relative_std - 0.1, good.mse_train),
        (good.relative_std, -good.mse_train),
        (good.relative_std, good.mse_train * torch.inf),
    ]:
        with pytest.raises(ValueError, match="expected"):
            ErrorCurve(std, mse, good.mse_validation)


def test_a_curve_is_read_as_it_was_written(tmp_path):
    error_curve.save(curve(), tmp_path / "curve.npz")
    found = error_curve.load(tmp_path / "curve.npz")
    for name, tensor in vars(curve()).items():
        assert torch.equal(getattr(found, name), tensor)
