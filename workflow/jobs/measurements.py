"""What is measured of a trained cascade besides its likelihood: errors by level, and the noise of its gradients."""

from functools import partial

import torch

from cdae.data import EvaluationSet
from cdae.gradient_noise import gradient_variance
from cdae.interfaces import Layered, ManyLosses
from workflow.grid.record import Levels

N_BATCHES, BATCH_SIZE = 16, 128  # that the variance of gradients is estimated from


def levels(model: Layered, data: EvaluationSet, *, generator: torch.Generator) -> Levels:
    """Errors of the denoiser on either split (of the training split as many examples) and variances, by level."""
    seen = data.training.draw(generator=generator)[: len(data.examples)]
    return Levels(
        corruption_std=model.corruption_std[1:].tolist(),
        reconstruction_std=model.pooled_reconstruction_std.tolist(),
        mse_train=model.level_mse(seen, generator=generator).tolist(),
        mse_test=model.level_mse(data.examples, generator=generator).tolist(),
    )


def gradient_variances(model: ManyLosses, data: EvaluationSet, *, generator: torch.Generator) -> dict[str, float]:
    """The variance of every loss's gradient at the trained weights, on training examples, by the name of the loss."""
    x, found = data.training.draw(generator=generator), {}
    settings = {"batch_size": BATCH_SIZE, "n_batches": N_BATCHES, "generator": generator}
    for name in model.losses:
        loss = partial(model.named_loss, name, generator=generator)
        with torch.enable_grad():
            found[name] = gradient_variance(loss, model.parameters(), x, **settings)
    return found
