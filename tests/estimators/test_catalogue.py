"""Estimators: which runs on which model, what they return, and that none exceeds the truth where it is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from baselines.registry import MODELS, model_class
from cdae.bound import elbo
from cdae.data import EvaluationSet, TrainingSet, load_evaluation_set, load_training_set, prepare
from cdae.datasets.registry import loader
from cdae.estimators import parzen
from cdae.estimators.catalogue import ESTIMATORS, estimators_for
from cdae.interfaces import Bounded, Estimate, Fitted, Samples, SampleSet, SampleVariant, Tractable, Weighted
from cdae.model import CDAE
from cdae.training import fit
from tests.helpers import linear_cascade, seeded

N_TEST = 2_000
SETTINGS = {
    "n_draws": 20,
    "n_importance_samples": 10,
    "n_points": 500,
    "subset_seed": 0,
    "n_samples": 500,
}
CDAE_OPTIONS = {
    "schedule": "geometric",
    "first_std": 0.3,
    "last_std": 3.0,
    "n_levels": 3,
    "hidden_sizes": [32],
    "denoiser": "conditioned",
    "loss": "shrunk_uniform",
}
OPTIONS = {
    "cdae": CDAE_OPTIONS,
    "diffusion": CDAE_OPTIONS,
    "dae": {"hidden_sizes": [16], "corruption_std": 0.5, "n_walkback_steps": 1, "chain_steps": [1, 3]},
    "vae": {"hidden_sizes": [16], "latent_dim": 2},
    "control-gaussian": {"covariance": "full"},
    "control-k-means": {"n_centres": 50},
    "control-mixture": {"n_components": 2, "covariance": "diagonal"},
    "control-ppca": {"n_components": 2},
    "control-training-samples": {},
}


def estimate(name: str, model, data: EvaluationSet, *, seed: int = 0, **changed) -> list[Estimate]:
    return list(ESTIMATORS[name].estimate(model, data, SETTINGS | changed, generator=seeded(seed)))


def held_out(test, test_pixels, validation_pixels) -> EvaluationSet:
    """An evaluation set of unknown density; what is tested without training data gets the test points."""
    return EvaluationSet(test, test_pixels, validation_pixels, None, 1.0, TrainingSet(test))


@pytest.fixture(scope="module")
def gaussian_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "gaussian_8d.npz"
    prepare(loader("gaussian_8d")(), "gaussian_8d", path)
    return path


@pytest.fixture(scope="module")
def gaussian_data(gaussian_file) -> EvaluationSet:
    whole = load_evaluation_set(gaussian_file)
    examples, pixels, density = (values[:N_TEST] for values in (whole.examples, whole.pixels, whole.log_density))
    return replace(whole, examples=examples, pixels=pixels, log_density=density)


@pytest.fixture(scope="module")
def trained(gaussian_file) -> dict[str, nn.Module]:
    """One model of each kind on `gaussian_8d`, after a short training where there is something to train."""
    training_set, models = load_training_set(gaussian_file), {}
    for kind, options in OPTIONS.items():
        models[kind] = model_class(kind).build(options, training_set, generator=seeded(1))
        if isinstance(models[kind], Fitted):
            models[kind].fit_closed_form(training_set, generator=seeded(2))
        elif list(models[kind].parameters()):
            fit(
                models[kind], training_set, n_updates=300, batch_size=100, learning_rate=0.01,
                generator=seeded(2), progress=str,
            )  # fmt: skip
    return models


EXPECTED = {
    "cdae": ["lower_bound", "markov_bound", "importance_weighted", "parzen"],
    "dae": ["parzen"],
    "diffusion": ["lower_bound", "importance_weighted", "parzen"],
    "vae": ["lower_bound", "importance_weighted", "parzen"],
    "samples": ["parzen"],
    "control-gaussian": ["exact", "parzen"],
    "control-k-means": ["parzen"],
    "control-mixture": ["exact", "parzen"],
    "control-ppca": ["exact", "parzen"],
    "control-training-samples": ["parzen"],
}


@pytest.mark.parametrize("kind", MODELS)
def test_estimators_follow_from_the_methods_of_the_class(kind):
    if kind in EXPECTED:
        assert estimators_for(model_class(kind)) == EXPECTED[kind]
    assert estimators_for(model_class(kind)) != []


def test_every_estimator_states_its_protocol():
    protocols = {name: entry.protocol for name, entry in ESTIMATORS.items()}
    assert protocols["lower_bound"] is Bounded and protocols["importance_weighted"] is Weighted
    assert protocols["parzen"] is Samples and protocols["exact"] is Tractable
    assert estimators_for(object) == []


def test_a_class_of_ones_own_gets_the_estimators_of_its_methods():
    class Sampler:
        def sample_sets(self, n_samples, *, generator):
            yield SampleSet(SampleVariant(source="own"), torch.zeros(n_samples, 2))

    assert estimators_for(Sampler) == ["parzen"]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in OPTIONS for name in EXPECTED[kind]])
def test_estimates_are_per_example_float64_without_gradients(kind, name, trained, gaussian_data):
    for result in estimate(name, trained[kind], gaussian_data, n_draws=1):
        n = SETTINGS["n_points"] if name == "importance_weighted" else N_TEST
        assert result.values.shape == result.indices.shape == (n,)
        assert result.values.dtype == torch.float64 and result.values.isfinite().all()
        assert not result.values.requires_grad
        assert result.n_importance_samples == (10 if name == "importance_weighted" else None)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in OPTIONS for name in EXPECTED[kind]])
def test_no_estimate_exceeds_the_exact_log_density_of_the_data(kind, name, trained, gaussian_data):
    """On average over test points no density beats the data's own, nor does a lower bound: 5 paired standard errors."""
    for result in estimate(name, trained[kind], gaussian_data):
        excess = (result.values - gaussian_data.log_density[result.indices]).numpy()
        assert excess.mean() <= 5 * excess.std(ddof=1) / math.sqrt(len(excess))


def test_a_trained_cascade_comes_close_to_the_truth_and_its_importance_weighting_closer(trained, gaussian_data):
    """The bound is within 1.5 nats of the data's own log density: the test above is not passed by being far below."""
    (bound,) = estimate("lower_bound", trained["cdae"], gaussian_data)
    (weighted,) = estimate("importance_weighted", trained["cdae"], gaussian_data)
    exact = gaussian_data.log_density
    assert exact.mean() - 1.5 < bound.values.mean()
    assert bound.values[weighted.indices].mean() < weighted.values.mean()


def test_a_bound_without_two_pi_would_exceed_the_truth(trained, gaussian_data, monkeypatch):
    monkeypatch.setattr("cdae.gaussian.LOG_2PI", 0.0)
    (bound,) = estimate("lower_bound", trained["cdae"], gaussian_data, n_draws=1)
    excess = (bound.values - gaussian_data.log_density).numpy()
    assert excess.mean() > 50 * excess.std(ddof=1) / math.sqrt(len(excess))


def test_gaussian_control_is_exact_on_gaussian_data(trained, gaussian_data):
    (result,) = estimate("exact", trained["control-gaussian"], gaussian_data)
    difference = (result.values - gaussian_data.log_density).numpy()
    assert -0.01 < difference.mean() <= 0


def test_lower_bound_averages_the_number_of_draws_it_was_given():
    """The mean of the very draws that `elbo` makes from the same generator, with the mean of every term."""
    model, _ = linear_cascade(0, dim=3, n_levels=3)
    x = torch.randn(7, 3, generator=seeded(0), dtype=torch.float64)
    (result,) = estimate("lower_bound", model, held_out(x, x, x), n_draws=4, seed=3)
    generator = seeded(3)
    draws = [elbo(model, x, generator=generator) for _ in range(4)]
    torch.testing.assert_close(result.values, torch.stack([d.total for d in draws]).mean(0))
    terms = result.mean_terms
    assert list(terms) == ["reconstruction", "prior_kl", "level_kl_1", "level_kl_2"]
    total = terms["reconstruction"] - terms["prior_kl"] - terms["level_kl_1"] - terms["level_kl_2"]
    assert total == pytest.approx(result.values.mean().item())
    assert terms["level_kl_2"] == pytest.approx(torch.stack([d.level_kl[1] for d in draws]).mean().item())


def test_examples_are_estimated_in_chunks_and_in_order(monkeypatch):
    """A point far out stands where it was, whatever the chunks."""
    model, _ = linear_cascade(1, dim=3, n_levels=2)
    x = torch.zeros(25, 3, dtype=torch.float64)
    x[13] = 100.0
    monkeypatch.setattr("cdae.computing.chunks.EXAMPLES", 10)
    for name in ("lower_bound", "importance_weighted"):
        (result,) = estimate(name, model, held_out(x, x, x))
        assert len(result.values) == 25 and result.values.argmin() == 13


def test_importance_subset_is_random_and_the_same_for_every_model(trained, gaussian_data):
    """Of any seed and any kind; another subset_seed gives another one."""
    runs = [
        estimate("importance_weighted", trained[kind], gaussian_data, seed=seed)[0].indices
        for kind, seed in [("cdae", 0), ("vae", 5)]
    ]
    assert torch.equal(*runs) and len(runs[0].unique()) == 500
    (other,) = estimate("importance_weighted", trained["vae"], gaussian_data, subset_seed=1)
    assert not torch.equal(runs[0], other.indices)
    assert 0.4 * N_TEST < runs[0].double().mean() < 0.6 * N_TEST


def test_importance_subset_values_belong_to_its_indices():
    model, _ = linear_cascade(2, dim=3, n_levels=2)
    x = torch.zeros(40, 3, dtype=torch.float64)
    x[::2] = 100.0
    (result,) = estimate("importance_weighted", model, held_out(x, x, x), n_points=15)
    assert torch.equal(result.values < result.values.mean(), result.indices % 2 == 0)
    assert 1.0 <= result.diagnostics["mean_effective_sample_size"] <= 10.0


def test_more_points_than_there_are_means_all():
    model, _ = linear_cascade(3, dim=3, n_levels=2)
    x = torch.zeros(6, 3, dtype=torch.float64)
    (result,) = estimate("importance_weighted", model, held_out(x, x, x), n_points=500)
    assert result.indices.tolist() == list(range(6))


class FixedSamples(nn.Module):
    """Two labelled variants of given samples."""

    def __init__(self, *values: torch.Tensor):
        super().__init__()
        self.sets = values

    def sample_sets(self, n_samples, *, generator):
        for i, values in enumerate(self.sets):
            yield SampleSet(SampleVariant("sample", "noise", i + 1), values[:n_samples], rms_distance_to_start=0.5)


def test_parzen_follows_its_protocol():
    """Bandwidth from the validation pixels in units of the data, density of the test pixels, one row per variant."""
    samples, other, test, validation = (torch.randn(30, 2, generator=seeded(s)) for s in range(4))
    data = EvaluationSet(
        torch.full_like(test, 9.0), test, validation, None, bandwidth_unit=2.5, training=TrainingSet(test)
    )
    results = estimate("parzen", FixedSamples(samples, other), data, n_samples=20)
    assert [r.variant for r in results] == ["sampling from noise, 1 steps", "sampling from noise, 2 steps"]
    grid = 2.5 * torch.logspace(-1, 0, 10, dtype=torch.float64)
    bandwidth = parzen.best_bandwidth(samples[:20], validation, bandwidths=grid)
    assert results[0].diagnostics == {
        "bandwidth": bandwidth, "n_samples": 20, "n_steps": 1, "rms_distance_to_start": 0.5
    }  # fmt: skip
    expected = parzen.log_density(samples[:20], test, bandwidth=bandwidth)
    assert torch.equal(results[0].values, expected)


def test_parzen_uses_the_first_thousand_validation_examples(monkeypatch):
    monkeypatch.setattr(parzen, "GOODFELI2014_VALIDATION", 5)
    samples, validation = torch.randn(30, 2, generator=seeded(0)), torch.randn(9, 2, generator=seeded(1))
    changed = validation.clone()
    changed[5:] = 50.0
    runs = [
        estimate("parzen", FixedSamples(samples), held_out(validation, validation, v))[0] for v in (validation, changed)
    ]
    assert runs[0].diagnostics == runs[1].diagnostics
    changed[4] = 50.0
    (other,) = estimate("parzen", FixedSamples(samples), held_out(validation, validation, changed))
    assert other.diagnostics != runs[0].diagnostics


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("lower_bound", "n_draws", "n_draws: got 0, expected at least 1"),
        ("importance_weighted", "n_importance_samples", "n_importance_samples: got 0, expected at least 1"),
        ("parzen", "n_samples", "parzen: got 0 samples"),
    ],
)
def test_nothing_to_average_is_refused(name, setting, message):
    model, _ = linear_cascade(4, dim=3, n_levels=2)
    x = torch.zeros(6, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=message):
        estimate(name, model, held_out(x, x, x), **{setting: 0})


def test_estimates_are_reproducible_from_their_generator(trained, gaussian_data):
    for name in EXPECTED["cdae"]:
        one, same, other = (estimate(name, trained["cdae"], gaussian_data, seed=s, n_draws=1)[-1] for s in (0, 0, 1))
        assert torch.equal(one.values, same.values) and not torch.equal(one.values, other.values)


def test_a_memoriser_is_seen_in_parzen():
    """Training samples score their own training set far above another: pins that it is the test set that is scored."""
    rng = np.random.default_rng(0)
    train, test = (torch.from_numpy(rng.standard_normal((200, 20)).astype(np.float32)) for _ in range(2))
    model = model_class("control-training-samples").build({}, TrainingSet(train), generator=seeded(0))
    scores = [estimate("parzen", model, held_out(x, x, test))[0].values.mean() for x in (train, test)]
    assert scores[0] > scores[1] + 1.0


def test_cascade_class_is_the_registered_one():
    assert model_class("cdae") is CDAE
