"""How much of the class a representation tells: a linear probe and the nearest neighbour, by their test errors.

The probe is ridge regression of the classes, one column of -1 and 1 each, on features about their means in units of
their pooled standard deviation, so that features that hardly vary are not blown up:

    minimise |Y - 1 b - X W|^2 + l |W|^2,   class = argmax of b + x W

The strength l is the one of `STRENGTHS` with the smallest squared error of leaving one training example out. That error
has a closed form (G. Golub, M. Heath and G. Wahba, "Generalized Cross-Validation as a Method for Choosing a Good Ridge
Parameter", 1979). So the probe has no labels but those of its training examples, however few.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.quality.distances import nearest

STRENGTHS = torch.logspace(-2, 4, 13, dtype=torch.float64)

Features = Float[Tensor, "n features"]
Labels = Int[Tensor, "n"]


def scaled(seen: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor]:
    """Return both sets about the mean of the first, in units of its pooled standard deviation, in float64."""
    mean = seen.double().mean(0)
    std = (seen.double() - mean).square().mean().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
    return tuple((x.double() - mean) / std for x in (seen, unseen))


def ridge(x: Features, y: Float[Tensor, "n classes"]) -> tuple[Tensor, Tensor, float]:
    """Return the weights (features, classes) and the constant (classes,) of the best strength, and that strength.

    Args:
        x: of mean zero.
    """
    constant = y.mean(0)
    u, values, vt = torch.linalg.svd(x, full_matrices=False)
    projected = u.T @ (y - constant)
    errors = []
    for strength in STRENGTHS.to(x.device):
        shrinkage = values.square() / (values.square() + strength)
        residual = (y - constant) - u @ (shrinkage[:, None] * projected)
        leverage = (u.square() * shrinkage).sum(1) + 1.0 / len(x)
        errors.append((residual / (1.0 - leverage).clamp(min=1e-12)[:, None]).square().mean())
    best = STRENGTHS[int(torch.stack(errors).argmin())].item()
    weights = vt.T @ ((values / (values.square() + best))[:, None] * projected)
    return weights, constant, best


def probe_errors(seen: Tensor, labels: Labels, unseen: Tensor, expected: Tensor) -> Float[Tensor, "m"]:
    """Return 1 for every unseen example that the linear probe gives another class than expected, else 0.

    Args:
        labels: of the seen examples; expected: of the unseen ones.
    """
    x, others = scaled(seen, unseen)
    y = 2.0 * torch.nn.functional.one_hot(labels, int(max(labels.max(), expected.max())) + 1).double() - 1.0
    weights, constant, _ = ridge(x, y)
    return ((others @ weights + constant).argmax(1) != expected).double()


def neighbour_errors(seen: Tensor, labels: Labels, unseen: Tensor, expected: Tensor) -> Float[Tensor, "m"]:
    """Return 1 for every unseen example whose nearest seen example has another class, else 0."""
    _, index = nearest(unseen, seen)
    return (labels[index] != expected).double()


def balanced(labels: Labels, n_labels: int, *, generator: torch.Generator) -> Int[Tensor, "chosen"]:
    """Draw the indices of equally many random examples of every class, n_labels in all or a few less.

    Raises:
        ValueError: if there are fewer labels than classes, or too few examples of a class.
    """
    classes, counts = labels.unique(return_counts=True)
    per_class = n_labels // len(classes)
    if not 1 <= per_class <= counts.min():
        raise ValueError(
            f"n_labels: got {n_labels} for {len(classes)} classes, expected {len(classes)} to "
            f"{len(classes) * int(counts.min())}, so that every class has as many; change it"
        )
    order = torch.randperm(len(labels), generator=generator, device=labels.device)
    return torch.cat([order[labels[order] == one][:per_class] for one in classes])
