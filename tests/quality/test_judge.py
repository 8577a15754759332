"""The classifier, and the controls of what it judges: digits that nobody trained on, and sets that are none."""

import numpy as np
import pytest
import torch

from baselines.k_means import k_means
from cdae.data import load_evaluation_set, prepare
from cdae.datasets.registry import loader
from cdae.quality import classifier as classifiers
from cdae.quality import judge as judges
from cdae.quality.blurred import blurred
from cdae.quality.classifier import Classifier, as_real
from cdae.quality.judge import Judge
from cdae.quality.labels import load_labels
from tests.helpers import mutated, seeded

SETTINGS = {"n_updates": 300, "batch_size": 64, "learning_rate": 0.003, "matmul_precision": "highest"}
N = 300


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The prepared file, its splits without dequantization, and its labels."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    prepare(loader("digits")(), "digits", path)
    return load_evaluation_set(path), load_labels(path)


def trained(digits, module=classifiers):
    data, labels = digits
    examples, generator = data.training.pixels(), seeded(0)
    found = module.Classifier.build(examples, [64], 10, generator=generator)
    module.train(found, examples, labels["train"], SETTINGS, generator=generator)
    return found


@pytest.fixture(scope="module")
def judge(digits):
    return Judge(trained(digits), digits[0].pixels[:N], digits[0].training.pixels(), 17, n_neighbours=5)


def test_levels_come_back_from_every_draw_of_their_noise_and_from_pixels():
    levels = torch.arange(17.0)[:, None]
    expected = levels / 16.0
    for noise in (0.0, 0.3, 0.999):
        assert torch.equal(as_real((levels + noise) / 17.0 + 1e-7, 17), expected)
    assert torch.equal(as_real(expected, 17), expected)
    levels = torch.arange(256.0)[:, None]
    assert torch.equal(as_real(levels / 255.0, 256), levels / 255.0)
    assert as_real(torch.tensor([[-0.5, 1.5]]), 17).tolist() == [[0.0, 1.0]]
    assert as_real(torch.tensor([[-0.5, 1.5]]), None).tolist() == [[-0.5, 1.5]]


def test_the_classifier_knows_digits_that_it_has_not_seen(digits, judge):
    error = judge.classifier.error(digits[0].pixels, digits[1]["test"]).mean()
    assert error < 0.04, error
    assert judge.classifier.error(digits[0].training.pixels(), digits[1]["train"]).mean() < 0.02


CLASSIFIER_MUTANTS = {
    "no labels": ("x[:, -1].long()", "torch.zeros_like(x[:, -1]).long()"),
    "labels as a pixel": ("self._standardised(x[:, :-1])", "self._standardised(x[:, 1:])"),
}


@pytest.mark.parametrize("name", CLASSIFIER_MUTANTS)
def test_a_classifier_of_other_labels_errs(digits, name):
    found = trained(digits, mutated(classifiers, *CLASSIFIER_MUTANTS[name]))
    assert found.error(digits[0].pixels, digits[1]["test"]).mean() > 0.5


def test_probabilities_are_those_of_the_network_and_features_its_last_hidden_layer(digits, judge):
    found, x = judge.classifier, digits[0].pixels[:7]
    with torch.no_grad():
        expected = found.network((x - found.mean) / found.std).softmax(1)
    assert torch.equal(found.probabilities(x), expected)
    assert found.features(x).shape == (7, 64) and not found.features(x).requires_grad


def test_a_classifier_without_a_hidden_layer_is_refused():
    with pytest.raises(ValueError, match="hidden_sizes: got none, expected at least one"):
        Classifier.build(torch.eye(5), [], 3, generator=seeded(0))


@pytest.fixture(scope="module")
def scores(digits, judge):
    """The summaries of sets of equal size."""
    data, labels = digits
    training, generator = data.training.pixels(), seeded(1)
    some = training[torch.randperm(len(training), generator=generator)[:N]]
    noise = torch.randn(N, 64, generator=generator)
    sets = {
        "real": data.validation_pixels,
        "copies": some,
        "k-means": k_means(training, N, generator=generator),
        "blurred": blurred(some, (8, 8)),
        "gaussian": training.mean(0) + training.std(0) * noise,
        "one class": training[labels["train"] == 3],
    }
    return {name: judge.scores(x[:N]).summary() for name, x in sets.items()}


def test_real_examples_score_best_but_for_what_is_made_of_training_examples(scores):
    """Real images that nobody trained on, against sets that are no images, or of one class."""
    real = scores["real"]
    assert min(real["precision"], real["recall"], real["coverage"]) > 0.93 and abs(real["density"] - 1.0) < 0.1
    for name in ("blurred", "gaussian", "one class"):
        other = scores[name]
        for measure in ("recall", "coverage"):
            error = np.hypot(real[f"{measure}_standard_error"], other[f"{measure}_standard_error"])
            assert real[measure] - other[measure] > 5.0 * error, (name, measure)
        assert other["frechet_distance"] > 5.0 * real["frechet_distance"], name
    assert scores["one class"]["precision"] > 0.9, "one class is a matter of recall and coverage alone"


def test_copies_are_found_by_their_share_alone(scores):
    """No other measure tells copies of training images, or centres of them, from real images that are new."""
    for name in ("copies", "k-means"):
        for measure in ("precision", "recall", "coverage"):
            assert abs(scores[name][measure] - scores["real"][measure]) < 0.06, (name, measure)
        assert scores[name]["copies"] > 0.95
        assert scores[name]["nearest_training_distance"] < 0.6 * scores["real"]["nearest_training_distance"]
    assert scores["copies"]["nearest_training_distance"] == 0.0
    assert 0.3 < scores["real"]["copies"] < 0.6, "a new image is as near to a training image as that to another"
    assert scores["gaussian"]["copies"] < 0.02


def test_density_rewards_centres_of_clusters(scores):
    """As Parzen windows do: k-means centres score above real images."""
    real, centres = scores["real"], scores["k-means"]
    error = np.hypot(real["density_standard_error"], centres["density_standard_error"])
    assert centres["density"] - real["density"] > 2.0 * error


def test_spurious_samples_belong_to_no_class(scores):
    assert scores["gaussian"]["spurious"] > 0.2 > 0.05 > scores["real"]["spurious"]


def test_summaries_are_means_with_their_standard_errors(judge, digits):
    found = judge.scores(digits[0].validation_pixels[:40])
    coverage = found.coverage.numpy()
    assert len(coverage) == N and len(found.precision) == 40
    assert found.summary()["coverage"] == pytest.approx(coverage.mean())
    assert found.summary()["coverage_standard_error"] == pytest.approx(coverage.std(ddof=1) / np.sqrt(N))
    assert found.summary()["frechet_distance"] == found.frechet_distance


JUDGE_MUTANTS = {
    "on another scale": ("as_real(samples, self.n_intensity_levels)", "samples.float()"),
    "of training examples": ("self.classifier.features(self.real)", "self.classifier.features(self.training)"),
    "confident ones": ("amax(1) < CONFIDENT", "amax(1) >= CONFIDENT"),
    "copies of real ones": ("copies(x, self.training)", "copies(x, self.real)"),
    "exchanged": ("manifolds(real, features,", "manifolds(features, real,"),
}


@pytest.mark.parametrize("name", JUDGE_MUTANTS)
def test_mutants_of_the_judge_are_seen(judge, digits, name):
    """On training examples with their noise, all alike in all but it."""
    data = digits[0]
    noisy = (data.training.values[:50].float() + 0.99) / 17.0
    other = mutated(judges, *JUDGE_MUTANTS[name]).Judge(**vars(judge))
    expected, got = (module.scores(noisy).summary() for module in (judge, other))
    assert expected["nearest_training_distance"] == 0.0 and got != expected


def test_samples_that_are_not_finite_are_an_error(judge):
    x = torch.zeros(10, 64)
    x[3, 5] = torch.nan
    with pytest.raises(ArithmeticError, match="1 of 10 samples not finite"):
        judge.scores(x)


def test_blurring_is_the_binomial_mean_and_keeps_channels_and_constants_apart():
    rng = np.random.default_rng(0)
    image = rng.random((4, 5, 3)).astype(np.float32)
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    weights = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    expected = sum(weights[i, j] * padded[i : i + 4, j : j + 5] for i in range(3) for j in range(3))
    got = blurred(torch.from_numpy(image.reshape(1, -1)), (4, 5, 3))
    np.testing.assert_allclose(got.numpy().reshape(4, 5, 3), expected, rtol=1e-5)
    np.testing.assert_allclose(blurred(torch.full((2, 9), 0.7), (3, 3)).numpy(), 0.7, rtol=1e-6)


def test_a_data_set_without_labels_is_refused(tmp_path):
    prepare(loader("mixture_2d")(), "mixture_2d", tmp_path / "mixture_2d.npz")
    with pytest.raises(ValueError, match="mixture_2d: has no labels, expected a class for every example"):
        load_labels(tmp_path / "mixture_2d.npz")


def test_training_repeats(digits):
    first, second = trained(digits), trained(digits)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
