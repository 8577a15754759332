"""The page of findings: what the tables of a run say of each of the paper's claims.

Of each claim the page has the answer in one sentence, details by data set, the figures to look at, and what would
change our mind. The sentences are those of `evidence`, made of tables alone. A claim that no row speaks to is open.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workflow.tables import evidence
from workflow.tables.evidence import Tables

Sentences = Callable[[str, Tables], Iterator[str]]
OPEN = "Nothing in this run speaks to it."
TABLES = (  # that the page is made of; the first has all data sets, in their order
    "log_likelihood.csv",
    "certificates.csv",
    "bound_terms.csv",
    "sample_quality.csv",
    "denoising.csv",
    "mixing.csv",
    "ranking.csv",
    "representation.csv",
)
MOST_WORDS = 300  # of a claim, without its title
MOST_DATASETS = 4  # in an answer
NOTE = (
    "What the tables of this run say of each claim. A number stands with ± one standard error, if it has one, and "
    "with where it is from: `[certificates 13]` is row 13 of `certificates.csv`, whose head is row 1. Values are above "
    "or below each other by more than two standard errors, or else they are not told apart. A best model is chosen by "
    "its own value, which by chance is a little too good for that. Values of models are lower bounds, and a model "
    "may be better than its bound."
)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        answer: the part of the answer that a data set gives, without a full stop.
        details: whole sentences on a data set.
        figures: names of the figures that show it.
        doubt: what would change our mind.
    """

    title: str
    answer: Sentences
    details: Sentences
    figures: tuple[str, ...]
    doubt: str


CLAIMS = (
    Claim(
        "A directed model is trained without posterior inference",
        evidence.without_inference,
        evidence.other_models,
        ("likelihoods", "likelihood_by_levels"),
        "a model with a learned inference model, of the same size and as many updates, whose tightest bound is above "
        "the best cascade's by more than two standard errors on most data sets",
    ),
    Claim(
        "Clean samples come from practically the prior",
        evidence.prior,
        evidence.samples_and_denoisers,
        ("chain_from_prior", "denoising"),
        "samples that are copies more often than real examples are, or bounds that hold only for levels so low that "
        "the noisiest copies are many nats off the prior",
    ),
    Claim(
        "Ancestral sampling cures the mixing of chains",
        evidence.mixing,
        evidence.chains,
        ("mixing", "parzen_by_chain_steps"),
        "a chain from noise whose steps are worth as much as ancestral samples, at the same share of spurious states",
    ),
    Claim(
        "The likelihood becomes measurable",
        evidence.likelihood,
        evidence.gaps,
        ("certified_by_levels", "ranking"),
        "a tighter estimator that orders the models otherwise, or gaps on simulated data as large as the differences "
        "between models",
    ),
    Claim(
        "Training over all levels helps representations",
        evidence.representation,
        evidence.before_training,
        ("representation",),
        "errors of the best cascade that more labels, seeds and test examples tell apart from those of the best "
        "single auto-encoder, the other way round than here",
    ),
)


def page(tables: Tables) -> str:
    """The page, in markdown."""
    shares = dict(by_dataset(tables))
    parts = ["# Findings", NOTE]
    for number, claim in enumerate(CLAIMS, 1):
        parts += [f"## {number}. {claim.title}", section(claim, shares)]
    return "\n\n".join(parts) + "\n"


def by_dataset(tables: Tables) -> Iterator[tuple[str, Tables]]:
    """Every data set with its share of the tables, in their order; rows keep their numbers."""
    for dataset in dict.fromkeys(tables["log_likelihood.csv"]["dataset"]):
        yield dataset, {name: frame[frame["dataset"] == dataset] for name, frame in tables.items()}


def section(claim: Claim, shares: dict[str, Tables]) -> str:
    """Answer, details, figures and doubt of one claim, in at most 300 words: details that are too many are left out."""
    given = answer(claim, shares)
    if not given:
        return OPEN
    shown = [dataset for dataset in shares if any(claim.answer(dataset, shares[dataset]))]
    figures = " and ".join(f"`{name}`" for name in claim.figures)
    ends = [f"**Figures:** {figures} of `{shown[0]}`.", f"**What would change our mind:** {claim.doubt}."]
    details = [f"- {sentence}" for dataset in shares for sentence in claim.details(dataset, shares[dataset])]
    while details and n_words([given, *details, *ends]) > MOST_WORDS:
        details.pop()
    return "\n\n".join(filter(None, [given, "\n".join(details), *ends]))


def answer(claim: Claim, shares: dict[str, Tables]) -> str:
    """The answer in one sentence, over the first data sets that have one; nothing where none has."""
    known = [part for dataset, share in shares.items() for part in claim.answer(dataset, share)]
    more = len(known) - MOST_DATASETS
    others = [f"{more} more in the tables"] if more > 0 else []
    text = "; ".join([*known[:MOST_DATASETS], *others])
    return f"**Answer:** {text[0].upper()}{text[1:]}." if known else ""


def n_words(parts: list[str]) -> int:
    """Words between blanks; a number, its error and where it is from count too."""
    return sum(len(part.split()) for part in parts)
