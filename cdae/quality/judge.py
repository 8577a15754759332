"""What a set of samples is worth beside real examples: every measure of this folder for one set."""

from dataclasses import dataclass, fields

from jaxtyping import Float
from torch import Tensor

from cdae.quality.classifier import Classifier, as_real
from cdae.quality.copies import copies
from cdae.quality.frechet import frechet_distance
from cdae.quality.manifolds import manifolds
from cdae.statistics import mean_and_error

CONFIDENT = 0.5  # the least probability of a class at which an example counts as one of it


@dataclass(frozen=True)
class Scores:
    """The measures of one set, per sample or per real example, and one for all together.

    Attributes:
        precision, recall, density, coverage: as of `manifolds`.
        spurious: 1 for a sample of which no class is probable, else 0.
        copies: 1 for a copy of a training example, else 0 (`copies`).
        nearest_training_distance: root mean square over dimensions.
        frechet_distance: in squared units of the features.
    """

    precision: Float[Tensor, "m"]
    recall: Float[Tensor, "n"]
    density: Float[Tensor, "m"]
    coverage: Float[Tensor, "n"]
    spurious: Float[Tensor, "m"]
    copies: Float[Tensor, "m"]
    nearest_training_distance: Float[Tensor, "m"]
    frechet_distance: float

    def summary(self) -> dict[str, float]:
        """Every mean with its standard error, over samples or over real examples, the other set being as it is."""
        found: dict[str, float] = {"frechet_distance": self.frechet_distance}
        for name in [field.name for field in fields(self) if field.name not in found]:
            found[name], found[f"{name}_standard_error"] = mean_and_error(getattr(self, name))
        return found


@dataclass(frozen=True)
class Judge:
    """Real examples, and the classifier in whose features samples are compared with them.

    Attributes:
        real: (n, dim), that neither the models nor the classifier were trained on, without dequantization.
        training: (t, dim), those that they were trained on, without dequantization.
    """

    classifier: Classifier
    real: Float[Tensor, "n dim"]
    training: Float[Tensor, "t dim"]
    n_intensity_levels: int | None
    n_neighbours: int

    def scores(self, samples: Float[Tensor, "m dim"]) -> Scores:
        """Judge samples in the data's units, dequantized or not.

        Raises:
            ArithmeticError: if a value is not finite.
            ValueError: if there are too few samples for the number of neighbours.
        """
        if not samples.isfinite().all():
            raise ArithmeticError(f"{int((~samples.isfinite()).any(1).sum())} of {len(samples)} samples not finite")
        x = as_real(samples, self.n_intensity_levels)
        features, real = self.classifier.features(x), self.classifier.features(self.real)
        found, near = manifolds(real, features, n_neighbours=self.n_neighbours), copies(x, self.training)
        return Scores(
            precision=found.precision,
            recall=found.recall,
            density=found.density,
            coverage=found.coverage,
            spurious=(self.classifier.probabilities_of(features).amax(1) < CONFIDENT).double(),
            copies=near.is_copy.double(),
            nearest_training_distance=near.distance,
            frechet_distance=frechet_distance(real, features),
        )
