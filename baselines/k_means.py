"""Control: the k-means centres of the training images as samples, a blurred copy of the training set.

A centre is close to many images, so a Parzen estimate prefers the centres to the images themselves, and to the samples
of most models. This control shows that the Parzen estimate rewards blur. The centres come from Lloyd's algorithm
(S. Lloyd, "Least Squares Quantization in PCM", 1982).
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.interfaces import SampleSet, SampleVariant

MAX_ITERATIONS = 10  # 10,000 centres of 50,000 images hardly move after five
BLOCK_ROWS = 256  # examples in a block of distances; a constant for equal results


def nearest_centre(x: Float[Tensor, "n dim"], centres: Float[Tensor, "c dim"]) -> Int[Tensor, "n"]:
    """Return the index of the centre that is nearest to each row of x."""
    half_norms = 0.5 * centres.square().sum(1)
    scores = x.new_empty(BLOCK_ROWS, len(centres))  # one buffer for all blocks, because new ones fragment the memory
    nearest = []
    for block in x.split(BLOCK_ROWS):
        # |x|^2 is the same for all centres, so the nearest maximises x . c - |c|^2 / 2.
        torch.addmm(half_norms, block, centres.T, beta=-1.0, out=scores[: len(block)])
        nearest.append(scores[: len(block)].argmax(1))
    return torch.cat(nearest)


def k_means(x: Float[Tensor, "n dim"], n_centres: int, *, generator: torch.Generator) -> Float[Tensor, "c dim"]:
    """Find the centres by Lloyd's algorithm, which starts from randomly chosen rows of x.

    It ends when no row changes its centre, or after MAX_ITERATIONS. A centre without any row does not move.

    Args:
        n_centres: c, at most the number of rows.
    """
    centres = x[torch.randperm(len(x), generator=generator)[:n_centres]]
    assigned = torch.full((len(x),), -1)
    for _ in range(MAX_ITERATIONS):
        nearest = nearest_centre(x, centres)
        if torch.equal(nearest, assigned):
            break
        assigned = nearest
        centres = _means(x, assigned, centres)
    return centres


def _means(x: Tensor, assigned: Tensor, centres: Tensor) -> Tensor:
    counts = torch.bincount(assigned, minlength=len(centres))[:, None]
    sums = torch.zeros(centres.shape, dtype=torch.float64)
    for block, index in zip(x.split(BLOCK_ROWS), assigned.split(BLOCK_ROWS), strict=True):
        sums.index_add_(0, index, block.double())
    return torch.where(counts > 0, (sums / counts.clamp(min=1)).to(x.dtype), centres)


class KMeansControl(nn.Module):
    """The k-means centres (c, dim) of the training examples without dequantization; NaN until `fit_closed_form`."""

    centres: Tensor

    def __init__(self, n_centres: int, dim: int):
        super().__init__()
        self.register_buffer("centres", torch.full((n_centres, dim), torch.nan))

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "KMeansControl":
        """Build an unfitted control from configuration options.

        Raises:
            ValueError: unless n_centres is between 1 and the number of training examples.
        """
        n_centres = options["n_centres"]
        if not 1 <= n_centres <= len(training_set):
            raise ValueError(
                f"n_centres: got {n_centres}, expected 1 to {len(training_set)}, the number of training examples"
            )
        return cls(n_centres, training_set.values.shape[1])

    def fit_closed_form(self, training_set: TrainingSet, *, generator: torch.Generator) -> None:
        """Find the centres of the training examples by Lloyd's algorithm."""
        self.centres.copy_(k_means(training_set.pixels(), len(self.centres), generator=generator))

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """Yield all centres as one sample set; n_samples is not used."""
        yield SampleSet(SampleVariant(source="centres"), self.centres)
