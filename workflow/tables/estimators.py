"""A card per estimator: all that tables and figures say of it, and what may be claimed of its numbers.

Nothing here is computed by a job, so rewording a title evaluates nothing again. What is computational stands in
`cdae.estimators.catalogue`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workflow.grid.certificate import CertificateRow
from workflow.grid.record import OK, Row

Settings = dict[str, Any]
CERTIFIED_BITS_PER_DIM = 0.005  # a gap below it is called small
CERTIFIED_NATS = 0.05  # the same for data without levels
FEWEST_REPEATS = 4  # independent repeats or weights, whose spread says anything


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


@dataclass(frozen=True)
class Mark:
    """How a figure over numbers of levels draws an estimator.

    Attributes:
        label: with the fields of a row, such as {n_importance_samples}.
        color: index into the palette of figures; None for grey.
    """

    label: str
    color: int | None


@dataclass(frozen=True)
class Card:
    """One estimator.

    Attributes:
        claim: the most that is claimed of it where no gap is known and nothing speaks against its weights.
        title: its column in the summary, with the fields of a row; "" for an estimator without a column.
        evaluated, certified: one sentence on how an evaluation or a certification uses it, from its settings there.
        certify_key: the key of its settings in `certify`, where that is not its name.
        in_bits: whether bits per dimension mean anything.
        competes: whether a model can be marked best by it.
        marks: by variant, "" for the evaluation's.
    """

    claim: Claim
    title: str = ""
    evaluated: Callable[[Settings], str] | None = None
    certified: Callable[[Settings], str] | None = None
    certify_key: str = ""
    in_bits: bool = True
    competes: bool = True
    marks: dict[str, Mark] = field(default_factory=dict)


CARDS = {
    "exact": Card(
        Claim.EXACT,
        title="Exact",
        evaluated=lambda s: "the model's log density in closed form, on the whole test split",
        certified=lambda s: "for a cascade in one dimension, its log density by quadrature over all levels",
        marks={"quadrature": Mark("exact (this model's)", None)},
    ),
    "lower_bound": Card(
        Claim.LOWER_BOUND,
        title="Lower bound",
        evaluated=lambda s: f"Eq. 4 on the whole test split, {s['n_draws']} draws of the latents per example",
        marks={"": Mark("lower bound", 0)},
    ),
    "markov_bound": Card(
        Claim.LOWER_BOUND,
        title="Lower bound",
        evaluated=lambda s: (
            f"of another model made of the same denoiser, in rows of its own, {s['n_draws']} draws per example"
        ),
        competes=False,
        marks={"": Mark("same denoiser, Markov kernel", 4)},
    ),
    "importance_weighted": Card(
        Claim.STOCHASTIC,
        title="IW-{n_importance_samples}",
        evaluated=lambda s: (
            f"Eq. 11 under the model's own inference model, M = {s['n_importance_samples']}, on at most "
            f"{s['n_points']} random test points that all models share"
        ),
        certified=lambda s: (
            f"Eq. 11 under every inference model, and with latents that the model draws blind to the data, M = "
            f"{s['n_importance_samples']}"
        ),
        marks={
            "": Mark("IW-{n_importance_samples}", 1),
            "paper": Mark("IW-{n_importance_samples}, paper", 1),
            "guided": Mark("IW-{n_importance_samples}, guided", 2),
        },
    ),
    "all_pairs": Card(
        Claim.STOCHASTIC,
        certified=lambda s: (
            f"{s['n_draws']} draws of every level under the paper's inference model, combined in all ways, "
            f"{s['n_repeats']} repeats"
        ),
        marks={"paper": Mark("all pairs, paper", 3)},
    ),
    "sequential": Card(
        Claim.STOCHASTIC,
        certified=lambda s: (
            f"sequential Monte Carlo under the guided inference model, {s['n_particles']} particles, "
            f"{s['n_repeats']} repeats"
        ),
        marks={"guided": Mark("sequential, guided", 4)},
    ),
    "annealed": Card(
        Claim.STOCHASTIC,
        certify_key="annealing",
        certified=lambda s: (
            f"annealing over {s['n_distributions']} distributions, {s['n_chains']} chains per point, in coordinates "
            "fitted to each point: from a Gaussian of all levels of a cascade, or from a decoder's own inference model "
            "or prior; its course was fixed by a pilot on training examples"
        ),
        marks={"fitted": Mark("annealed over {n_distributions:,}", 5)},
    ),
    "parzen": Card(
        Claim.NO_BOUND,
        title="Parzen, {last_step}",
        evaluated=lambda s: (
            f"protocol goodfeli2014, {s['n_samples']:,} samples, bandwidth by the first 1,000 validation examples, on "
            "levels without dequantization"
        ),
        in_bits=False,
    ),
}


def threshold_nats(dim: int, n_intensity_levels: int | None) -> float:
    """The size that a gap may have and still be called small, and a difference and still be ignored, in nats.

    It is 0.005 bits per dimension where data have levels, and 0.05 nats where they have none.
    """
    return CERTIFIED_NATS if n_intensity_levels is None else CERTIFIED_BITS_PER_DIM * math.log(2.0) * dim


def claim(row: Row, threshold: float, *, doubted: bool = False) -> Claim:
    """What may be said of an estimate.

    Args:
        threshold: `threshold_nats` of the data.
        doubted: whether something beside the row itself speaks against it, such as another row that surpasses it.
    """
    if row.status != OK:
        return Claim.FAILED
    most = CARDS[row.estimator].claim
    if most is not Claim.STOCHASTIC:
        return most
    if doubted:
        return Claim.NOT_CONVERGED
    weights_alone = Claim.STOCHASTIC if row.converged else Claim.NOT_CONVERGED
    if not isinstance(row, CertificateRow) or not _is_at_most(row.gap_nats, row.gap_standard_error_nats, threshold):
        return weights_alone
    if _speaks_against_itself(row, threshold):
        return Claim.NOT_CONVERGED
    if (row.n_repeats or 0) >= FEWEST_REPEATS:
        return Claim.CHECKED
    return Claim.CERTIFIED if not row.n_repeats and row.n_importance_samples >= FEWEST_REPEATS else weights_alone


def _speaks_against_itself(row: CertificateRow, threshold: float) -> bool:
    """Whether the weights or the repeats of a row with a small gap show that more work would raise it.

    Repeats look at few of the test points, and the slope at all of them: there an outlier may be the only sign.
    """
    more = not (row.mean_slope is None or _is_at_most(row.mean_slope, row.slope_standard_error, threshold))
    again = bool(row.n_repeats) and not _is_at_most(
        row.repeats_add_nats, row.repeats_add_standard_error_nats, threshold
    )
    return bool(row.has_heavy_tail) or more or again


def _is_at_most(mean: float | None, error: float | None, threshold: float) -> bool:
    """Whether a mean with two of its standard errors is at most the threshold; not where either is unknown."""
    return mean is not None and error is not None and mean + 2.0 * error <= threshold


def weakest(claims: list[Claim]) -> Claim:
    """The claim that holds of all of them."""
    return max(claims, key=list(Claim).index)
