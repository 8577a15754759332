"""The linear probe against scikit-learn and against leaving examples out one by one, and balanced draws."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier

from cdae.quality import probe
from tests.helpers import mutated, seeded

MEANS = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.5, 0.0, 0.0, 3.0], [0.0, 1.5, 0.0, -2.0]])


def blobs(n, seed):
    """Three classes that overlap, a feature that is constant, and one on another scale."""
    generator = seeded(seed)
    labels = torch.randint(3, (n,), generator=generator)
    x = MEANS[labels] + torch.randn(n, 4, generator=generator)
    return torch.cat([x * torch.tensor([1.0, 1.0, 3.0, 1.0]), torch.full((n, 1), 7.0)], 1), labels


def sklearns(x, labels, others, model):
    mean = x.double().mean(0)
    std = (x.double() - mean).square().mean().sqrt()
    seen, unseen = (((part.double() - mean) / std).numpy() for part in (x, others))
    return model.fit(seen, labels.numpy()).predict(unseen)


@pytest.mark.parametrize("n", [12, 60, 400])
def test_the_probe_is_scikit_learns(n):
    (x, labels), (others, expected) = blobs(n, 0), blobs(300, 1)
    predicted = sklearns(x, labels, others, RidgeClassifierCV(alphas=probe.STRENGTHS.numpy()))
    errors = probe.probe_errors(x, labels, others, expected)
    assert errors.tolist() == (predicted != expected.numpy()).astype(float).tolist()


@pytest.mark.parametrize("n", [12, 60, 400])
def test_the_nearest_neighbour_is_scikit_learns(n):
    (x, labels), (others, expected) = blobs(n, 0), blobs(300, 1)
    predicted = sklearns(x, labels, others, KNeighborsClassifier(1))
    errors = probe.neighbour_errors(x, labels, others, expected)
    assert errors.tolist() == (predicted != expected.numpy()).astype(float).tolist()


def left_out(x, y, strength):
    """The squared error of leaving one example out, by fitting anew."""
    found = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        fitted = Ridge(alpha=strength).fit(x[rest], y[rest])
        found.append(np.square(fitted.predict(x[i : i + 1]) - y[i]).mean())
    return np.mean(found)


def is_right(module=probe) -> bool:
    """More features than a small strength can bear, so that the choice matters."""
    generator = seeded(3)
    x = torch.randn(20, 12, generator=generator, dtype=torch.float64)
    y = x[:, :2] + 2.0 * torch.randn(20, 2, generator=generator, dtype=torch.float64)
    x = x - x.mean(0)
    weights, constant, best = module.ridge(x, y)
    errors = [left_out(x.numpy(), y.numpy(), strength) for strength in probe.STRENGTHS.tolist()]
    fitted = Ridge(alpha=best).fit(x.numpy(), y.numpy())
    is_best = best == probe.STRENGTHS[int(np.argmin(errors))].item()
    return is_best and np.allclose(weights.numpy().T, fitted.coef_) and np.allclose(constant, fitted.intercept_)


def test_the_strength_is_the_one_with_the_smallest_error_of_leaving_one_out():
    assert is_right()


MUTANTS = {
    "training error": ("residual / (1.0 - leverage).clamp(min=1e-12)[:, None]", "residual"),
    "of singular values": ("shrinkage = values.square() / (values.square() + strength)",
                           "shrinkage = values / (values + strength)"),
    "unshrunk weights": ("values / (values.square() + best)", "1.0 / values"),
    "the worst": (".argmin())", ".argmax())"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert not is_right(mutated(probe, *MUTANTS[name]))


def test_balanced_draws_have_as_many_of_every_class_and_differ():
    _, labels = blobs(200, 4)
    first, second = (probe.balanced(labels, 31, generator=seeded(s)) for s in (0, 1))
    assert labels[first].bincount().tolist() == [10, 10, 10] and len(set(first.tolist())) == 30
    assert set(first.tolist()) != set(second.tolist())
    for n in (2, 300):
        with pytest.raises(ValueError, match=f"n_labels: got {n} for 3 classes, expected 3 to "):
            probe.balanced(labels, n, generator=seeded(0))


def test_balanced_draws_are_uniform():
    """Every example of a class of four is drawn in half of the draws of two."""
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1])
    drawn = torch.stack([probe.balanced(labels, 4, generator=seeded(s)).bincount(minlength=8) for s in range(400)])
    assert (abs(drawn.double().mean(0) - 0.5) < 5.0 * 0.5 / 20.0).all()
