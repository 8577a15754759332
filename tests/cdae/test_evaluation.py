"""Estimates of models in memory, beside their exact log density."""

import pytest
import torch

from cdae.estimators.parzen import GOODFELI2014_BANDWIDTHS
from cdae.evaluation import evaluate
from cdae.gaussian import log_normal
from tests.annealing_helpers import linear_decoder
from tests.helpers import assert_mean, finite_variance_cascade, seeded, simulate
from tests.oracles import factor_model


class OwnDensity:
    """N(0, 4 I) with its exact density and samples; no module of torch."""

    def log_prob(self, x):
        return log_normal(x, torch.zeros(()), torch.tensor(2.0))

    def sample(self, n, *, generator):
        return 2.0 * torch.randn(n, 3, generator=generator)


def examples(n):
    return 2.0 * torch.randn(n, 3, generator=seeded(0))


def test_a_model_with_an_encoder_has_its_bounds_below_the_exact_density():
    model, weights, bias = linear_decoder(dim=3, latent_dim=2, std=0.8)
    x = model.simulate(200, generator=seeded(1))[0].detach()
    found = evaluate(model, x, n_importance_samples=50, generator=seeded(2)).by_name
    assert list(found) == ["lower_bound", "importance_weighted"]
    (bound,), (weighted,) = found.values()
    exact = torch.from_numpy(factor_model.log_prob(x.numpy(), weights, bias, 0.8))
    assert len(bound.values) == len(weighted.values) == 200 and weighted.n_importance_samples == 50
    assert (bound.values < exact).float().mean() > 0.9
    assert bound.values.mean() < weighted.values.mean() < exact.mean()
    assert not bound.values.requires_grad


def test_a_density_of_ones_own_is_exact_and_parzen_needs_validation_examples():
    x = examples(300)
    alone = evaluate(OwnDensity(), x, generator=seeded(1))
    assert list(alone.by_name) == ["exact"]
    torch.testing.assert_close(alone.by_name["exact"][0].values, OwnDensity().log_prob(x))
    both = evaluate(OwnDensity(), x, validation_examples=examples(50), n_samples=3_000, generator=seeded(1))
    (parzen,) = both.by_name["parzen"]
    assert (parzen.values - OwnDensity().log_prob(x)).mean().abs() < 0.3


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_unit_of_the_bandwidth_is_one_in_the_unit_interval_and_else_the_standard_deviation(shift):
    validation = torch.tensor([[0.0, 0.0, 0.0], [0.4, 0.4, 1.0 + shift]])
    found = evaluate(OwnDensity(), examples(5), validation_examples=validation, n_samples=200, generator=seeded(1))
    bandwidth = found.by_name["parzen"][0].diagnostics["bandwidth"]
    unit = 1.0 if shift == 0.0 else validation.std(0, correction=0).square().mean().sqrt().item()
    assert min(abs(bandwidth / unit - b) for b in GOODFELI2014_BANDWIDTHS.tolist()) < 1e-5


def test_a_cascade_has_the_estimators_of_a_cascade():
    model, oracle = finite_variance_cascade()
    x = simulate(oracle, 100, 0)[0]
    found = evaluate(model, x, validation_examples=x, n_samples=500, generator=seeded(1))
    assert list(found.by_name) == ["lower_bound", "markov_bound", "importance_weighted", "parzen"]
    assert len(found.by_name["parzen"]) == 2
    bound = found.by_name["lower_bound"][0].values
    assert_mean((oracle.log_prob(x.numpy()) - bound.numpy()), oracle.gap(x.numpy()[0]))


def test_the_table_has_a_mean_an_error_and_a_number_of_examples():
    found = evaluate(OwnDensity(), examples(300), generator=seeded(1))
    values = found.by_name["exact"][0].values
    expected = f"{values.mean():.2f} ± {values.std() / 300**0.5:.2f}"
    assert str(found).splitlines()[1].startswith("exact ") and expected in str(found) and str(found).endswith(" 300")


def test_single_precision_of_a_model_is_kept_for_examples_in_double():
    class Layer(torch.nn.Linear):
        def log_prob(self, x):
            return self(x)[:, 0]

    with torch.random.fork_rng(devices=[]):
        layer = Layer(3, 1)
    assert len(evaluate(layer, examples(5).double(), generator=seeded(1)).by_name["exact"][0].values) == 5


class Nothing:
    def denoise_it(self): ...


def test_a_model_that_no_estimator_fits_is_told_what_is_missing():
    with pytest.raises(ValueError, match=r"Nothing: got a model with none of the methods .* expected log_prob, or"):
        evaluate(Nothing(), examples(5), generator=seeded(1))
    with pytest.raises(ValueError, match="validation_examples: got 1 examples, expected at least 2"):
        evaluate(OwnDensity(), examples(5), validation_examples=examples(1), generator=seeded(1))
