"""How near samples are to training examples: are they copies?

A sample counts as a copy if it is nearer to its nearest training example than that example is to any other training
example (A. M. Alaa et al., "How Faithful is your Synthetic Data?", 2022, who call all others authentic). Real examples
that nobody trained on give the share that says nothing: compare with theirs.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from cdae.quality.distances import nearest


@dataclass(frozen=True)
class Copies:
    """Per sample.

    Attributes:
        distance: from the nearest training example, as a root mean square over dimensions.
        is_copy: whether it is nearer than the next training example is to that one.
    """

    distance: Float[Tensor, "m"]
    is_copy: Bool[Tensor, "m"]


def copies(samples: Float[Tensor, "m dim"], training: Float[Tensor, "n dim"]) -> Copies:
    """Compare samples with training examples.

    Raises:
        ValueError: if there are fewer than two training examples.
    """
    if len(training) < 2:
        raise ValueError(f"copies: got {len(training)} training examples, expected at least 2; give more")
    distance, index = nearest(samples, training)
    found, place = index.unique(return_inverse=True)  # many samples have the same nearest example
    apart, _ = nearest(training[found], training, excluded=found)
    return Copies(distance / samples.shape[1] ** 0.5, distance < apart[place])
