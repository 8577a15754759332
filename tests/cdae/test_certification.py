"""Certificates of models in memory: right ones for models with a known density, and clear errors for broken ones."""

import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli

from cdae import certification
from cdae.certificates.claims import Claim
from cdae.certification import certify
from tests.annealing_helpers import quiet
from tests.helpers import finite_variance_cascade, seeded, simulate

SIZES = {"n_points": 20, "n_simulated": 20, "n_distributions": 5, "n_chains": 2, "n_importance_samples": 30}


class Binary(nn.Module):
    """A Bernoulli decoder in plain PyTorch, with steep logits, so that few draws of the prior explain an example."""

    def __init__(self, dim=12, latent_dim=3):
        super().__init__()
        self.latent_dim = latent_dim
        with torch.random.fork_rng(devices=[]):
            self.logits = nn.Sequential(nn.Linear(latent_dim, dim), nn.Dropout(0.5))
        with torch.no_grad():
            self.logits[0].weight.copy_(6.0 * torch.randn(dim, latent_dim, generator=seeded(0)))
            self.logits[0].bias.zero_()

    def log_likelihood(self, x, z):
        return Bernoulli(logits=self.logits(z)).log_prob(x).sum(-1, dtype=torch.float64)

    def sample_x(self, z, *, generator):
        return torch.bernoulli(self.logits(z).sigmoid(), generator=generator)


def binary_data(n):
    model = Binary().eval()
    with torch.no_grad():
        return model.sample_x(torch.randn(n, 3, generator=seeded(1)), generator=seeded(2))


def run(model, x, **changes):
    return certify(model, x, **{**SIZES, "generator": seeded(3), "progress": quiet, **changes})


def of(certificates, name):
    return next(row for row in certificates if row.estimator == name)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_has_a_bar_and_a_file_has_lines_alone(is_terminal, monkeypatch):
    class Output(io.StringIO):
        def isatty(self):
            return is_terminal

    output = Output()
    monkeypatch.setattr("sys.stderr", output)
    certify(Binary(), binary_data(60), **SIZES, n_repeats=0, generator=seeded(3))
    text = output.getvalue()
    assert ("certify: 100%" in text) == is_terminal and "annealed, prior, simulated: points 1 to 20 of 20" in text


def test_a_decoder_alone_has_a_positive_gap_that_shrinks_with_the_distributions():
    x, gaps = binary_data(60), []
    for n_distributions in (2, 100):
        row = of(run(Binary(), x, n_simulated=50, n_distributions=n_distributions, n_repeats=0), "annealed")
        assert row.variant == "prior" and row.n_distributions == n_distributions
        assert row.gap_nats + 2.0 * row.gap_standard_error_nats > 0.0
        gaps.append(row)
    few, many = gaps
    assert few.gap_nats > 2.0 * few.gap_standard_error_nats
    assert many.gap_nats + 2.0 * many.gap_standard_error_nats < few.gap_nats - 2.0 * few.gap_standard_error_nats
    assert few.mean_nats < many.mean_nats < 0.0


def test_annealing_of_a_linear_gaussian_cascade_has_its_exact_density_and_no_gap():
    model, oracle = finite_variance_cascade()
    x = simulate(oracle, 60, 0)[0]
    found = run(model, x)
    row = of(found, "annealed")
    assert abs(row.gap_nats) < 1e-4 and row.claim is Claim.CHECKED
    expected = oracle.log_prob(x[row.measured.indices].numpy())
    np.testing.assert_allclose(row.measured.values.numpy(), expected, atol=1e-4)
    names = [(c.estimator, c.variant) for c in found]
    assert ("importance_weighted", "guided") in names and ("all_pairs", "paper") in names and len(names) == 8


def test_the_same_generator_gives_the_same_certificates_on_test_points_that_differ():
    x = binary_data(60)
    first, same = (run(Binary(), x) for _ in range(2))
    assert str(first) == str(same)
    for row in first:
        indices = row.measured.indices
        assert len(indices.unique()) == 20 == row.n_points and indices.max() > 20
        assert row.n_checked == 10 and row.n_repeats == 4 and row.n_simulated == 20
    other = run(Binary(), x, generator=seeded(4))
    assert not torch.equal(other.rows[0].measured.indices, first.rows[0].measured.indices)


def test_the_pilot_sees_the_training_examples_or_else_what_is_no_test_point(monkeypatch):
    seen, real = [], certification.Trials

    def spying(work, training):
        seen.append(training.values)
        return real(work, training)

    monkeypatch.setattr(certification, "Trials", spying)
    x = torch.arange(40.0)[:, None] * torch.ones(12)
    indices = of(run(Continuous(), x, n_repeats=0), "annealed").measured.indices
    assert sorted([*seen[0][:, 0].int().tolist(), *indices.tolist()]) == list(range(40))
    run(Continuous(), x[:20], training_examples=x[20:], n_repeats=0)
    assert torch.equal(seen[1], x[20:])


class Continuous(nn.Module):
    """x ~ N(z, 400 I) with one z in all dimensions."""

    latent_dim = 1

    def log_likelihood(self, x, z):
        return (-0.5 * ((x - z) / 20.0).square() - 3.9146707).sum(-1, dtype=torch.float64)

    def sample_x(self, z, *, generator):
        return z + 20.0 * torch.randn(len(z), 12, generator=generator)


def test_the_model_is_as_it_was_and_ran_in_evaluation_mode():
    model, modes = Binary(), []
    model.logits[0].bias.requires_grad_(False)
    model.logits.register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    run(model, binary_data(40), n_repeats=0)
    assert model.training and model.logits[1].training and set(modes) == {False}
    assert [p.requires_grad for p in model.parameters()] == [True, False]


class Flat(Continuous):
    """x ~ N(0, 400 I), whatever z is, so that no estimate has a gap."""

    def log_likelihood(self, x, z):
        return super().log_likelihood(x, 0.0 * z)

    def sample_x(self, z, *, generator):
        return super().sample_x(0.0 * z, generator=generator)


def test_an_estimate_that_another_surpasses_is_not_certified(monkeypatch):
    x, asked = torch.arange(40.0)[:, None] * torch.ones(12), {}
    assert {row.claim for row in run(Flat(), x)} == {Claim.CHECKED}
    monkeypatch.setattr(certification, "surpassed", lambda values, threshold: asked.update(values) or {*values})
    assert {row.claim for row in run(Flat(), x)} == {Claim.NOT_CONVERGED}
    assert {*asked} == {"importance_weighted, prior", "annealed, prior"}
    assert all(len(at.values) == len(at.indices) == 20 for at in asked.values())


def test_weights_that_miss_a_narrow_posterior_are_not_certified():
    """Importance sampling from the prior misses a narrow posterior, and its own weights may agree."""
    found = run(Narrow(), 3.0 + torch.zeros(40, 1) + torch.linspace(0.0, 0.1, 40)[:, None], n_distributions=200)
    by_name = {row.estimator: row for row in found}
    assert by_name["annealed"].mean_nats > by_name["importance_weighted"].mean_nats
    assert by_name["importance_weighted"].claim is Claim.NOT_CONVERGED


class Narrow:
    """x ~ N(z, 0.01^2); no module of torch."""

    latent_dim = 1

    def log_likelihood(self, x, z):
        return (-0.5 * ((x - z) / 0.01).square() + 3.6862315).sum(-1).double()

    def sample_x(self, z, *, generator):
        return z + 0.01 * torch.randn(z.shape, generator=generator)


def test_the_table_says_bounds_gaps_and_claims():
    lines = str(run(Binary(), binary_data(40))).splitlines()
    assert lines[0].split("  ")[0] == "estimator" and "at most 0.05 nats" in lines[-1]
    assert len(lines) == 4 and all(line.count("±") == 2 for line in lines[1:3])
    assert any(lines[2].endswith(claim) for claim in Claim)
    assert "at most 0.0416 nats" in str(run(Binary(), binary_data(40), n_intensity_levels=2, n_repeats=0))


def test_values_that_are_not_finite_are_a_failure_with_its_reason():
    class Infinite(Narrow):
        def log_likelihood(self, x, z):
            return torch.where(x[:, 0] == 3.0, -torch.inf, super().log_likelihood(x, z))

    found = run(Infinite(), torch.full((20, 1), 3.0), training_examples=torch.linspace(0.0, 1.0, 20)[:, None])
    row = of(found, "importance_weighted")
    assert row.claim is Claim.FAILED and "not finite" in row.reason and row.reason in str(found)


def decoder(**changes):
    """A class with the methods of `Binary`, of which some are changed, or are missing where they are None."""
    methods = {"latent_dim": 3, "log_likelihood": Binary().eval().log_likelihood, "sample_x": Binary().eval().sample_x}
    methods |= {
        name: (lambda self, *a, _f=f, **k: _f(*a, **k)) if callable(f) else f for name, f in (methods | changes).items()
    }
    return type("Mine", (), {name: method for name, method in methods.items() if method is not None})()


class HalfCascade:
    prior_mean = prior_std = reconstruction_std = torch.ones(1)

    def denoise(self, noisy): ...

    def denoise_level(self, x, level): ...


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (decoder(log_likelihood=None, sample_x=None), r"Mine: got a model with none of the methods .*, expected lat"),
        (decoder(sample_x=None), r"Mine: got a model with log_likelihood, expected also sample_x\(z, \*, generator\)"),
        (decoder(latent_dim=None), "Mine: has .* and latent_dim None, expected a whole number"),
        (decoder(log_likelihood=lambda x, z: x), r"log_likelihood returned shape \(600, 12\), expected .* \(600,\)"),
        (decoder(sample_x=lambda z, generator: z @ torch.ones(3, 12)), "Mine: sample_x gave the same x twice"),
        (decoder(sample_x=lambda z, generator: z[:, :1] + torch.zeros(5)), r"sample_x returned .*5\), expected .*12\)"),
        (decoder(log_likelihood=lambda x: x), "Mine: log_likelihood raised TypeError"),
        (Binary, r"got the class Binary, expected an object of it; call it"),
        (HalfCascade(), "HalfCascade: .* without corruption_std, last_step, prior, expected all that"),
    ],
)  # fmt: skip
def test_a_broken_model_is_told_what_is_wrong_with_it(model, message):
    with pytest.raises(ValueError, match=message):
        run(model, binary_data(40))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": torch.zeros(40)}, r"x: got shape \(40,\) of torch.float32, expected \(n, dim\) of floats"),
        ({"x": torch.zeros(40, 12, dtype=torch.uint8)}, "of torch.uint8, expected .* dequantize"),
        ({"x": torch.full((40, 12), torch.nan)}, "x: got values that are not finite"),
        ({"x": torch.zeros(35, 12)}, "x: got 35 examples, expected at least 36"),
        ({"x": torch.zeros(20, 12), "training_examples": torch.zeros(15, 12)}, "training_examples: got 15 .* least 16"),
        ({"n_points": 1}, "n_points: got 1, expected at least 2"),
        ({"n_distributions": 0}, "n_distributions: got 0, expected at least 1"),
    ],
)
def test_what_else_cannot_be_used_is_named(changes, message):
    x = changes.pop("x", torch.zeros(40, 12))
    with pytest.raises(ValueError, match=message):
        run(Binary(), x, **changes)
