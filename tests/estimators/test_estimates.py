"""The estimators of every evaluation: averages over draws, with the mean of every term."""

import torch

from cdae.bound import elbo
from cdae.data import EvaluationSet, TrainingSet
from cdae.estimators.catalogue import ESTIMATORS
from cdae.estimators.markov import markov_bound
from tests.helpers import linear_cascade, seeded


def test_a_bound_is_the_average_of_its_draws():
    """The very draws from the same generator, with the mean of every term."""
    model, _ = linear_cascade(0, dim=3, n_levels=3)
    x = torch.randn(7, 3, generator=seeded(0), dtype=torch.float64)
    data = EvaluationSet(x, x, x, None, 1.0, TrainingSet(x))
    for name, draw in (("lower_bound", elbo), ("markov_bound", markov_bound)):
        (result,) = ESTIMATORS[name].estimate(model, data, {"n_draws": 4}, generator=seeded(3))
        generator = seeded(3)
        draws = [draw(model, x, generator=generator) for _ in range(4)]
        torch.testing.assert_close(result.values, torch.stack([d.total for d in draws]).mean(0))
        assert list(result.mean_terms) == ["reconstruction", "prior_kl", "level_kl_1", "level_kl_2"]
        mean_kl = torch.stack([d.level_kl[1].mean() for d in draws]).mean().item()
        torch.testing.assert_close(result.mean_terms["level_kl_2"], mean_kl)
