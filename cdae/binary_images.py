"""Black and white images of gray ones: a pixel is 1 with the probability that its gray value says.

Training images are gray, and a training step draws new black and white ones of them (R. Salakhutdinov and I. Murray,
"On the Quantitative Analysis of Deep Belief Networks", 2008; Y. Burda, R. Grosse, R. Salakhutdinov, "Importance
Weighted Autoencoders", 2016). Validation and test images were drawn once (`datasets.binarized`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.data import TrainingSet

LEAST_VARIANCE = 1e-6  # of a pixel, where all training pixels are constant
SEED = 1956  # of the numbers that `binary` compares gray values with


def check_binarized(training_set: TrainingSet) -> None:
    """Raise ValueError unless the values of a training set can be probabilities of 1."""
    if training_set.n_intensity_levels is not None or not training_set.unit_interval:
        raise ValueError(
            "training data: got levels that are dequantized, or values outside [0, 1], expected binarized images; "
            "choose one of the loaders binarized_..., or return cdae.datasets.binarized.binarized(raw, name)"
        )


def draw_binary(x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "n dim"]:
    """Draw black and white images of gray ones in [0, 1]; those that are black and white stay what they are."""
    return torch.bernoulli(x, generator=generator)


def binary(x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Return x where it is black and white, else one draw of it, the same one whenever it is called with this x.

    So a model has functions of the image alone, also where it is shown gray training images.
    """
    if not ((x > 0.0) & (x < 1.0)).any():
        return x
    uniform = torch.rand(x.shape, generator=torch.Generator().manual_seed(SEED), dtype=x.dtype).to(x.device)
    return (uniform < x).to(x.dtype)


def standardize(x: Float[Tensor, "*batch dim"], mean: Float[Tensor, "dim"]) -> Float[Tensor, "*batch dim"]:
    """Subtract the mean of black and white images, and divide by their standard deviation, pooled over pixels."""
    variance = (mean * (1.0 - mean)).mean().clamp(min=LEAST_VARIANCE)
    return (x - mean) / variance.sqrt()
