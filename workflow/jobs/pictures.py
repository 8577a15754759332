"""The arrays that figures show of one model: samples, the chain from the prior, reconstructions at every level."""

import numpy as np
import torch
from torch import Tensor

from cdae.interfaces import Layered, Samples

N_IMAGES = 64  # samples kept
N_POINTS = 2_000  # the same, for data in few dimensions, which are shown as points
N_RECONSTRUCTIONS = 8
MOST_DIMENSIONS_OF_POINTS = 8
Pictures = dict[str, np.ndarray]


def of_samples(model: Samples, dim: int, *, generator: torch.Generator) -> Pictures:
    """A few samples of every variant, in the order that the sampler gives them."""
    n = N_IMAGES if dim > MOST_DIMENSIONS_OF_POINTS else N_POINTS
    sets = model.sample_sets(n, generator=generator)
    return {f"samples/{samples.variant.words}": samples.values[:n].cpu().numpy() for samples in sets}


def of_levels(model: Layered, examples: Tensor, *, generator: torch.Generator) -> Pictures:
    """The chain from the prior, and examples corrupted and reconstructed at every level."""
    n = N_RECONSTRUCTIONS if examples.shape[1] > MOST_DIMENSIONS_OF_POINTS else N_POINTS
    path = model.ancestral_path(n, generator=generator)
    x = examples[:n]
    noisy = model.infer(x, generator=generator)
    shown = {"path": path, "noisy": noisy, "reconstructed": model.denoise(noisy), "clean": x}
    return {name: tensor.cpu().numpy() for name, tensor in shown.items()}
