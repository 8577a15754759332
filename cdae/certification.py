"""Certificates of a model in memory: lower bounds on log p(x), the gap to upper bounds, and what may be claimed.

The same estimators, numbers and claims as those of the pipeline (`certificates`), for a decoder, a cascade, or a model
with an inference model of its own. Not here: estimates without an upper bound (`evaluation`, which is passed on).
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from cdae.certificates.claims import Claim, of_both_sides, threshold_nats
from cdae.certificates.evidence import Evidence
from cdae.certificates.examples import Examples, Given
from cdae.certificates.measured import Measured, measure, simulate
from cdae.certificates.surpassed import AtPoints, surpassed
from cdae.certificates.trials import N_PILOT_POINTS, Trial, Trials
from cdae.certificates.work import Work
from cdae.estimators.progress import Progress
from cdae.evaluation import Estimates, evaluate
from cdae.in_memory import adopted, at_rest, check_certifiable, check_examples, check_generator, in_precision_of
from cdae.purposes import by_purpose
from cdae.text_table import text_table

__all__ = ["Certificate", "Certificates", "Estimates", "certify", "evaluate"]

HEAD = ("estimator", "lower bound in nats", "gap in nats", "claim")
N_CHECKED = 10  # test points, at most, of the independent repeats
AVERAGES = {"n_draws": 20, "n_repeats": 10}  # of all pairs, and of sequential Monte Carlo with as many particles


def above_the_bar(line: str) -> None:
    """Print a line of progress to stderr, above the bar where there is one."""
    tqdm.write(line, file=sys.stderr)


@dataclass(frozen=True, kw_only=True)
class Certificate(Evidence):
    """One estimator: `mean_nats` is its lower bound at the test points, `gap_nats` its gap at simulated points.

    Attributes:
        variant: the inference model, or the start of the annealing.
        claim: what may be said of the lower bound.
        measured: the numbers of every example.
        reason: why it has failed, where it has.
    """

    estimator: str
    variant: str
    claim: Claim
    measured: Measured
    reason: str = ""
    n_points: int | None = None
    mean_nats: float | None = None
    standard_error_nats: float | None = None

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The entries of a table's row."""
        bound = _with_error(self.mean_nats, self.standard_error_nats)
        gap = _with_error(self.gap_nats, self.gap_standard_error_nats)
        said = ": ".join(part for part in (self.claim, self.reason) if part)
        return f"{self.estimator}, {self.variant}", bound, gap, said


@dataclass(frozen=True)
class Certificates:
    """The certificates of one model, printed as a table.

    Attributes:
        threshold_nats: the size that a gap may have, with two standard errors, to be called certified.
    """

    rows: tuple[Certificate, ...]
    threshold_nats: float

    def __iter__(self) -> Iterator[Certificate]:
        return iter(self.rows)

    def __str__(self) -> str:
        return "\n".join([
            text_table([HEAD, *(certificate.row for certificate in self)]),
            f"Lower bounds are at test points, gaps at points that the model drew; ± is one standard error. A gap is "
            f"certified if, with two standard errors, it is at most {self.threshold_nats:.3g} nats.",
        ])  # fmt: skip


def certify(
    model: Any,
    x: Tensor,
    *,
    training_examples: Tensor | None = None,
    n_intensity_levels: int | None = None,
    n_points: int = 50,
    n_simulated: int = 50,
    n_distributions: int = 100,
    n_chains: int = 4,
    n_importance_samples: int = 100,
    n_repeats: int = 4,
    generator: torch.Generator,
    progress: Progress = above_the_bar,
) -> Certificates:
    """Bound log p(x) from below at test points, and from both sides at points that the model draws.

    Args:
        model: an object with latent_dim, log_likelihood and sample_x (a decoder), or with infer, log_weights and
            simulate, or a cascade. It is in evaluation mode as long as this lasts.
        x: test examples (n, dim), on the data's scale and the model's device, of which `n_points` random ones are used.
        training_examples: (t, dim), at least 16. They fix the course of annealing and, of a cascade, the guided
            inference model. Without them, the examples of x that are not used as test points do. Bounds hold with any.
        n_intensity_levels: of images, dequantized to [0, 1]; it decides which gaps are small. None for other data.
        n_distributions, n_chains: of annealing. More of either close its gap further.
        n_importance_samples: M of the estimates by importance sampling.
        n_repeats: of the whole estimate, on at most 10 of the test points; with fewer than 4, or on fewer than 5
            points, nothing is claimed from them, and with 0 there are none.
        progress: called with one line at a time. On a terminal there is a bar of the estimators besides.

    Raises:
        ValueError: if methods are missing, or return something else than they should, or a size, the examples or the
            generator cannot be used.
    """
    least = {"n_points": (n_points, 2), "n_simulated": (n_simulated, 2), "n_distributions": (n_distributions, 1)}
    least |= {"n_chains": (n_chains, 1), "n_importance_samples": (n_importance_samples, 2), "n_repeats": (n_repeats, 0)}
    _check_sizes(least)
    own = _checked(model, x, n_points if training_examples is not None else n_points + N_PILOT_POINTS, generator)
    draws = by_purpose(generator)
    order = torch.randperm(len(x), generator=draws("test points"), device=x.device)
    examples = x[order[n_points:]] if training_examples is None else training_examples
    check_examples("training_examples", examples, N_PILOT_POINTS)
    x, examples = in_precision_of(model, x), in_precision_of(model, examples)
    settings = {
        "n_points": n_points,
        "n_simulated": n_simulated,
        "check": {"n_points": min(N_CHECKED, n_points), "n_repeats": n_repeats},
        "importance_weighted": {"n_importance_samples": n_importance_samples, "n_points": n_points},
        "all_pairs": AVERAGES,
        "sequential": {"n_particles": AVERAGES["n_draws"], "n_repeats": AVERAGES["n_repeats"]},
        "annealing": {"n_distributions": n_distributions, "n_chains": n_chains, "force_precision": "highest"},
    }
    training = Given(examples)
    work = Work(settings=settings, generator=draws, progress=progress)
    with at_rest(model):
        found = _run(own, x, order, training, work)
    return _certificates(found, threshold_nats(x.shape[1], n_intensity_levels))


Found = list[tuple[Trial, Measured, dict[str, Any]]]


def _run(model: Any, x: Tensor, order: Tensor, training: Examples, work: Work) -> Found:
    """Every estimator that the model has the methods for, with its numbers, and a reason where it has failed."""
    with torch.no_grad():
        simulated = simulate(model, work)
    found = []
    trials = list(Trials(work, training).of(model))
    for trial in tqdm(trials, desc="certify", unit="estimator", file=sys.stderr, disable=None):  # a terminal has it
        measured = measure(trial, x, partial(_first, order), simulated, work)
        try:
            found.append((trial, measured, measured.fields(trial, None)))
        except ArithmeticError as error:
            found.append((trial, measured, {"status": "failed", "reason": str(error)}))
    return found


def _first(order: Tensor, n_points: int) -> Tensor:
    """Indices of the first examples in a random order, sorted."""
    return order[:n_points].sort().values.cpu()


def _certificates(found: Found, threshold: float) -> Certificates:
    values = {
        trial.label: AtPoints(measured.indices.numpy(), measured.values.numpy())
        for trial, measured, numbers in found
        if "status" not in numbers
    }
    behind, names = surpassed(values, threshold), {field.name for field in fields(Certificate)}
    rows = []
    for trial, measured, numbers in found:
        known = {name: value for name, value in numbers.items() if name in names}
        claim = _claim(trial, numbers, threshold, doubted=trial.label in behind)
        rows.append(Certificate(estimator=trial.name, variant=trial.variant, claim=claim, measured=measured, **known))
    return Certificates(tuple(rows), threshold)


def _claim(trial: Trial, numbers: dict[str, Any], threshold: float, *, doubted: bool) -> Claim:
    if numbers.get("status") == "failed":
        return Claim.FAILED
    if not trial.is_random:
        return Claim.EXACT
    known = {name: value for name, value in numbers.items() if name in Evidence.__dataclass_fields__}
    return of_both_sides(Evidence(**known), threshold, doubted=doubted)


def _checked(model: Any, x: Tensor, n_least: int, generator: torch.Generator) -> Any:
    """The model as estimators see it, if it and the rest can be used."""
    check_examples("x", x, n_least)
    check_generator(generator, x)
    own = adopted(model, in_precision_of(model, x))
    check_certifiable(model)
    return own


def _check_sizes(least: dict[str, tuple[int, int]]) -> None:
    for name, (got, expected) in least.items():
        if got < expected:
            raise ValueError(f"{name}: got {got}, expected at least {expected}; raise it")


def _with_error(mean: float | None, error: float | None) -> str:
    return "" if mean is None or error is None else f"{mean:.2f} ± {error:.2f}"
