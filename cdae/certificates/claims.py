"""What may be claimed of an estimate of log p(x), from its evidence.

Not here: which claim an estimator can have at most where no gap is known, which is said with the tables.
"""

import math
from enum import StrEnum

from cdae.certificates.evidence import Evidence

CERTIFIED_BITS_PER_DIM = 0.005  # a gap below it is called small
CERTIFIED_NATS = 0.05  # the same for data without levels
FEWEST_REPEATS = 4  # independent repeats or weights, whose spread says anything
FEWEST_CHECKED = 5  # test points with repeats, whose standard error says anything


class Claim(StrEnum):
    """What may be said of an estimate, from the strongest claim to the weakest."""

    EXACT = "exact"
    CHECKED = "gap certified on simulated data, repeats agree on test points"
    CERTIFIED = "gap certified on simulated data"
    LOWER_BOUND = "lower bound"
    STOCHASTIC = "stochastic lower bound"
    NOT_CONVERGED = "bound, not converged"
    NO_BOUND = "no bound"
    FAILED = "failed"


def threshold_nats(dim: int, n_intensity_levels: int | None) -> float:
    """The size that a gap may have and still be called small, and a difference and still be ignored, in nats.

    It is 0.005 bits per dimension where data have levels, and 0.05 nats where they have none.
    """
    return CERTIFIED_NATS if n_intensity_levels is None else CERTIFIED_BITS_PER_DIM * math.log(2.0) * dim


def of_weights(converged: bool | None, *, doubted: bool = False) -> Claim:
    """What may be said of an average of weights where no gap is known.

    Args:
        doubted: whether something beside it speaks against it, such as another estimate that surpasses it.
    """
    return Claim.STOCHASTIC if converged and not doubted else Claim.NOT_CONVERGED


def of_both_sides(evidence: Evidence, threshold: float, *, doubted: bool = False) -> Claim:
    """What may be said of an average of weights with a gap on simulated data.

    Args:
        threshold: `threshold_nats` of the data.
        doubted: as of `of_weights`.
    """
    if doubted:
        return Claim.NOT_CONVERGED
    weights_alone = of_weights(evidence.converged)
    if not _is_at_most(evidence.gap_nats, evidence.gap_standard_error_nats, threshold):
        return weights_alone
    if _speaks_against_itself(evidence, threshold):
        return Claim.NOT_CONVERGED
    if (evidence.n_repeats or 0) >= FEWEST_REPEATS and (evidence.n_checked or 0) >= FEWEST_CHECKED:
        return Claim.CHECKED
    is_many = (evidence.n_importance_samples or 0) >= FEWEST_REPEATS
    return Claim.CERTIFIED if not evidence.n_repeats and is_many else weights_alone


def _speaks_against_itself(evidence: Evidence, threshold: float) -> bool:
    """Whether the weights or the repeats of an estimate with a small gap show that more work would raise it.

    Repeats look at few of the test points, and the slope at all of them: there an outlier may be the only sign.
    """
    slope, slope_error = evidence.mean_slope, evidence.slope_standard_error
    adds, adds_error = evidence.repeats_add_nats, evidence.repeats_add_standard_error_nats
    more = slope is not None and not _is_at_most(slope, slope_error, threshold)
    again = bool(evidence.n_repeats) and not _is_at_most(adds, adds_error, threshold)
    return bool(evidence.has_heavy_tail) or more or again


def _is_at_most(mean: float | None, error: float | None, threshold: float) -> bool:
    """Whether a mean with two of its standard errors is at most the threshold; not where either is unknown."""
    return mean is not None and error is not None and mean + 2.0 * error <= threshold


def weakest(claims: list[Claim]) -> Claim:
    """The claim that holds of all of them."""
    return max(claims, key=list(Claim).index)
