"""A card per estimator: all that tables and figures say of it, and what may be claimed of its numbers.

Nothing here is computed by a job, so rewording a title evaluates nothing again. What is computational stands in
`cdae.estimators.catalogue`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cdae.certificates import claims
from cdae.certificates.claims import Claim
from workflow.grid.certificate import CertificateRow
from workflow.grid.record import OK, Row

Settings = dict[str, Any]


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


Cards = Mapping[str, Card]  # by the names of estimators


def claim(row: Row, threshold: float, *, doubted: bool = False, cards: Cards = CARDS) -> Claim:
    """What may be said of a row.

    Args:
        threshold: `threshold_nats` of the data.
        cards: with those of users' own estimators.
        doubted: whether something beside the row itself speaks against it, such as another row that surpasses it.
    """
    if row.status != OK:
        return Claim.FAILED
    most = cards[row.estimator].claim
    if most is not Claim.STOCHASTIC:
        return most
    if isinstance(row, CertificateRow):
        return claims.of_both_sides(row, threshold, doubted=doubted)
    return claims.of_weights(row.converged, doubted=doubted)
