"""Training: reproducible from one generator, counted in updates, and loud when it diverges."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from baselines.dae import DAE
from cdae.bound import elbo
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.interfaces import Trainable
from cdae.model import CDAE, LOSSES
from cdae.training import DivergenceError, History, cosine_learning_rate, fit
from tests.helpers import seeded

DATA = torch.randn(130, 3, generator=seeded(0))


def small_cascade(loss: str = "shrunk") -> CDAE:
    scale = DataScale(torch.zeros(3), 1.0, unit_interval=False)
    denoiser = BlindDenoiser(mlp(3, [6], 3, generator=seeded(1)), scale)
    schedule = NoiseSchedule.geometric(3, 0.2, 2.0)
    return CDAE(denoiser, schedule, data_mean=torch.zeros(3), data_std=torch.ones(3), loss=loss)


def train(model: Trainable, seed: int = 2, **options) -> History:
    defaults = {"n_updates": 7, "batch_size": 50, "learning_rate": 0.01, "progress": lambda line: None}
    return fit(model, TrainingSet(DATA), generator=seeded(seed), **(defaults | options))


class Quadratic(nn.Module):
    """Loss |w - mean of the batch|^2 / 2; keeps a log of what training asked of it."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))
        self.batches, self.refits = [], []

    def refit(self, x, *, generator):
        self.refits.append(x)

    def loss(self, x, *, generator):
        self.batches.append(x)
        return 0.5 * (self.w - x.mean(0)).square().sum()


@pytest.mark.parametrize("loss", LOSSES)
def test_fit_is_deterministic_given_its_generator(loss):
    """Bit for bit, weights and history; another seed gives another model."""
    models = [small_cascade(loss) for _ in range(3)]
    histories = [train(model, seed) for model, seed in zip(models, (2, 2, 3), strict=True)]
    states = [torch.cat([t.flatten().double() for t in model.state_dict().values()]) for model in models]
    assert torch.equal(states[0], states[1]) and histories[0] == histories[1]
    assert not torch.equal(states[0], states[2])


def test_adam_is_that_of_torch():
    """The functional form follows the class, with the cosine learning rate, on the same batches."""
    model = Quadratic()
    train(model, n_updates=8)
    w = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([w])
    for update, batch in enumerate(model.batches):
        optimizer.param_groups[0]["lr"] = 0.005 * (1 + math.cos(math.pi * update / 8))
        optimizer.zero_grad()
        (0.5 * (w - batch.mean(0)).square().sum()).backward()
        optimizer.step()
    torch.testing.assert_close(model.w, w)


def test_learning_rate_falls_along_half_a_cosine():
    assert cosine_learning_rate(0.2, 0, 10) == 0.2
    assert cosine_learning_rate(0.2, 5, 10) == pytest.approx(0.1)
    assert cosine_learning_rate(0.2, 10, 10) == 0.0


@pytest.mark.parametrize("n_updates", [1, 3, 7])
def test_updates_are_counted_and_an_epoch_is_one_pass(n_updates):
    """130 examples in batches of 50: three updates an epoch, each example once, in a fresh order."""
    model = Quadratic()
    history = train(model, n_updates=n_updates)
    assert len(model.batches) == n_updates
    assert history.n_updates == {1: [1], 3: [3], 7: [3, 6, 7]}[n_updates]
    if n_updates >= 3:
        epoch = torch.cat(model.batches[:3])
        assert sorted(map(tuple, epoch.tolist())) == sorted(map(tuple, DATA.tolist()))
        assert not torch.equal(epoch, DATA)
    if n_updates == 7:
        assert not torch.equal(epoch, torch.cat(model.batches[3:6]))


def test_history_is_the_mean_loss_of_each_epoch():
    model, losses = Quadratic(), []
    real = model.loss

    def recorded(x, *, generator):
        losses.append(real(x, generator=generator))
        return losses[-1]

    model.loss = recorded
    history = train(model, n_updates=5)
    expected = [torch.stack(losses[:3]).mean().item(), torch.stack(losses[3:]).mean().item()]
    np.testing.assert_allclose(history.loss, expected, rtol=1e-6)


def test_refit_before_every_epoch_and_on_everything_at_the_end(monkeypatch):
    """The subset is fixed; only the last refit sees all."""
    monkeypatch.setattr("cdae.training.REFIT_EXAMPLES", 40)
    model = Quadratic()
    train(model, n_updates=7)
    assert [len(x) for x in model.refits] == [40, 40, 40, 130]
    assert torch.equal(model.refits[0], model.refits[1])
    rows = set(map(tuple, DATA.tolist()))
    assert set(map(tuple, model.refits[0].tolist())) < rows == set(map(tuple, model.refits[3].tolist()))


def test_levels_are_dequantized_afresh_every_epoch():
    model = Quadratic()
    levels = TrainingSet(torch.full((20, 3), 4, dtype=torch.uint8), 8, unit_interval=True)
    fit(model, levels, n_updates=3, batch_size=20, learning_rate=0.01, generator=seeded(0), progress=str)
    means = [batch.mean().item() for batch in model.batches]
    assert len(set(means)) == 3
    assert all(batch.min() >= 0.5 and batch.max() <= 0.625 for batch in model.batches)


def test_data_order_does_not_depend_on_how_much_noise_the_model_draws():
    """Order, dequantization, corruption and refitting are streams of their own."""

    class Noisy(Quadratic):
        def loss(self, x, *, generator):
            torch.rand(11, generator=generator)
            return super().loss(x, generator=generator)

    quiet, noisy = Quadratic(), Noisy()
    train(quiet)
    train(noisy)
    assert all(torch.equal(a, b) for a, b in zip(quiet.batches, noisy.batches, strict=True))


@pytest.mark.parametrize("loss", LOSSES)
def test_training_raises_the_bound(loss):
    """With rho refitted in both cases; by at least half a nat."""
    model, bounds = small_cascade(loss), []
    for n_updates in (1, 300):
        train(model, n_updates=n_updates, learning_rate=0.02)
        with torch.no_grad():
            bounds.append(elbo(model, DATA, generator=seeded(5)).total.mean())
    assert bounds[1] > bounds[0] + 0.5


def test_progress_is_about_ten_lines():
    lines = []
    train(Quadratic(), n_updates=300, progress=lines.append)
    assert 9 <= len(lines) <= 12
    assert lines[-1].startswith("update 300 of 300: loss ")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_updates", [1, 30])
def test_a_huge_learning_rate_is_a_divergence(loss, n_updates):
    """Within an epoch, between epochs, and in the very last update."""
    with pytest.raises(DivergenceError, match=r"training diverged: .* lower learning_rate"):
        train(small_cascade(loss), n_updates=n_updates, learning_rate=1e30)


class Broken(nn.Module):
    """A denoiser whose answers are not numbers."""

    def __init__(self, answer: float):
        super().__init__()
        self.answer = nn.Parameter(torch.tensor(answer))

    def forward(self, x, level):
        return x * self.answer


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_denoiser_without_finite_answers_is_a_divergence(loss, answer):
    model = CDAE(
        Broken(answer), NoiseSchedule((0.0, 1.0, 2.0)), data_mean=torch.zeros(3), data_std=torch.ones(3), loss=loss
    )
    with pytest.raises(DivergenceError, match="training diverged"):
        train(model)


def test_a_dae_without_finite_answers_is_a_divergence():
    with pytest.raises(DivergenceError, match="training diverged"):
        train(DAE(Broken(float("nan")), corruption_std=1.0, starts=DATA))


class RootLoss(nn.Module):
    """A finite loss with an infinite gradient."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))

    def refit(self, x, *, generator):
        pass

    def loss(self, x, *, generator):
        return self.w.abs().sqrt()


def test_parameters_that_are_not_finite_are_a_divergence_even_after_a_finite_loss():
    with pytest.raises(DivergenceError, match="training diverged"):
        train(RootLoss(), n_updates=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_updates", 0), ("n_updates", -1), ("batch_size", 0), ("learning_rate", 0.0), ("learning_rate", float("nan"))],
)
def test_counts_and_learning_rate_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"{name}: got {value}, expected a number above 0"):
        train(small_cascade(), **{name: value})


def test_batches_larger_than_the_data_are_the_data():
    model = Quadratic()
    train(model, batch_size=1_000, n_updates=2)
    assert [len(batch) for batch in model.batches] == [130, 130]


def test_snapshots_are_refitted_copies_and_leave_training_as_it_is():
    """After the numbers asked for, also within an epoch; the last is the finished model up to its refit's noise."""
    plain, tracked = small_cascade(), small_cascade()
    train(plain)
    seen = {}
    train(tracked, snapshots=[2, 7], on_snapshot=lambda n_updates, copy: seen.update({n_updates: copy}))
    assert list(seen) == [2, 7]
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, tracked.state_dict()[name])
        if name != "reconstruction_std":
            assert torch.equal(tensor, seen[7].state_dict()[name])
    assert not torch.equal(next(seen[2].parameters()), next(plain.parameters()))
    mse = seen[2].level_mse(DATA, generator=seeded(9)).numpy()
    expected = np.sqrt(np.square(seen[2].corruption_std[:-1].numpy()) + mse)
    np.testing.assert_allclose(seen[2].reconstruction_std, expected, rtol=0.2)
