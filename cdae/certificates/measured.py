"""One estimator on test data, and from both sides on data that the model has simulated.

The lower bound is at test points, and the gap between lower and upper bound at simulated ones. The gap says nothing of
test points unlike those data: there, independent repeats of the whole estimate are compared. Points go some at a time,
with random numbers of their own. Not here: what may be claimed (`claims`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cdae.certificates.trials import Trial
from cdae.certificates.work import Arrays, Work
from cdae.estimators.convergence import diagnostics, has_converged, has_heavy_tail, pareto_k, repeats_add, slope
from cdae.estimators.two_sided import BothSides, TwoSided
from cdae.gaussian import log_mean_exp
from cdae.interfaces import Simulates
from cdae.statistics import beside_exact, beside_upper, mean_and_error

CHUNK_POINTS = 50  # of one batch; a constant, because results depend on it

Choose = Callable[[int], Tensor]  # how many -> indices of random test points, of which more hold the fewer


@dataclass(frozen=True)
class Measured:
    """Numbers of one estimator, in nats and on the processor.

    Attributes:
        indices: of the test points.
        log_weights: at the test points.
        simulated: both sides at the simulated points.
        checked: indices of the test points of the repeats.
        repeats: logs of independent repeats of the whole estimate; None without repeats.
    """

    indices: Int[Tensor, "n"]
    log_weights: Float[Tensor, "rows n"]
    simulated: BothSides
    checked: Int[Tensor, "checked"]
    repeats: Float[Tensor, "repeats checked"] | None

    @property
    def values(self) -> Float[Tensor, "n"]:
        """The estimate at every test point: a stochastic lower bound on log p(x)."""
        return log_mean_exp(self.log_weights)

    @property
    def simulated_lower(self) -> Float[Tensor, "simulated"]:
        """The same at every simulated point."""
        return log_mean_exp(self.simulated.log_weights)

    def fields(self, trial: Trial, exact: Float[Tensor, "n"] | None) -> dict[str, Any]:
        """Means, errors and diagnostics: the fields of an `Evidence`, and those of `beside_exact`.

        Args:
            exact: log density of the test points in nats, where it is known.

        Raises:
            ArithmeticError: if a value at a test point is not finite.
        """
        weights, lower, upper = self.log_weights, self.simulated_lower, self.simulated.upper
        k = pareto_k(weights)
        bound, bound_error = mean_and_error(weights.mean(0))
        return {
            "n_importance_samples": len(weights),
            "n_distributions": trial.n_distributions,
            **beside_upper(lower, upper),
            **beside_exact(self.values, exact),
            "bound_nats": bound,
            "bound_standard_error_nats": bound_error,
            **_of_repeats(self.repeats),
            "converged": has_converged(weights, k, upper - lower, self.repeats),
            "has_heavy_tail": has_heavy_tail(weights, k),
            **diagnostics(weights),
            "slope_standard_error": None if len(weights) == 1 else mean_and_error(slope(weights))[1],
            "mean_pareto_k": None if k.isnan().all() else k.nanmean().item(),
            "largest_variance_ratio": trial.largest_variance_ratio,
        }

    def per_example(self) -> dict[str, Tensor]:
        """What is kept of every example, by its name."""
        kept = {"values": self.values, "bound": self.log_weights.mean(0), "indices": self.indices}
        kept |= {"lower": self.simulated_lower, "upper": self.simulated.upper}
        return kept if self.repeats is None else kept | {"check": self.repeats, "check_indices": self.checked}


def simulate(model: Simulates, work: Work) -> tuple[Tensor, Tensor]:
    """Examples that the model draws, with their latents: the same ones for all of its estimators."""
    return model.simulate(work.settings["n_simulated"], generator=work.generator("certify, simulated data"))


def measure(
    trial: Trial, examples: Float[Tensor, "all dim"], choose: Choose, simulated: tuple[Tensor, Tensor], work: Work
) -> Measured:
    """Run one estimator.

    Args:
        examples: the test points that may be chosen.
        simulated: as of `simulate`.
    """
    estimator, indices = trial.make(), choose(trial.n_test)
    test, (x, latents) = examples[indices], simulated

    def both_sides(points: slice, generator: torch.Generator) -> dict[str, Tensor]:
        return estimator.both_sides(x[points], latents[..., points, :], generator=generator)._asdict()

    log_weights = _log_weights(estimator, test, f"{trial.label}, test", work)
    on_simulated = BothSides(**in_parts(f"{trial.label}, simulated", len(x), both_sides, work))
    checked = choose(min(work.settings["check"]["n_points"], trial.n_test))
    repeats = _repeats(trial, estimator, examples[checked], work)
    return Measured(indices, log_weights, on_simulated, checked, repeats)


def _repeats(trial: Trial, estimator: TwoSided, x: Float[Tensor, "checked dim"], work: Work) -> Tensor | None:
    """Logs of independent repeats of the whole estimate (n_repeats, n_checked), in nats; None without repeats."""
    n_repeats = work.settings["check"]["n_repeats"]
    if n_repeats == 0 or not trial.is_random:
        return None
    runs = [_log_weights(estimator, x, f"{trial.label}, check {i}", work) for i in range(n_repeats)]
    return torch.stack([log_mean_exp(log_weights) for log_weights in runs])


def _log_weights(estimator: TwoSided, x: Float[Tensor, "n dim"], label: str, work: Work) -> Float[Tensor, "rows n"]:
    """Log weights of every example, in nats."""

    def forward(points: slice, generator: torch.Generator) -> dict[str, Tensor]:
        return {"log_weights": estimator.log_weights(x[points], generator=generator)}

    return in_parts(label, len(x), forward, work)["log_weights"]


def in_parts(
    label: str, n_points: int, compute: Callable[[slice, torch.Generator], dict[str, Tensor]], work: Work
) -> dict[str, Tensor]:
    """Tensors over all points, their last axis, some points at a time with random numbers of their own."""
    parts: list[dict[str, Tensor]] = []
    for start in range(0, n_points, CHUNK_POINTS):
        rows, begun = slice(start, min(start + CHUNK_POINTS, n_points)), time.monotonic()
        purpose = f"certify, {label}, {start}"
        generator = work.generator(purpose)
        part = work.keep(purpose, lambda r=rows, g=generator: _arrays(compute(r, g)))
        parts.append({name: torch.from_numpy(array) for name, array in part.items()})
        seconds = time.monotonic() - begun
        work.progress(f"{label}: points {start + 1} to {rows.stop} of {n_points}, {seconds:.0f} s")
    return {name: torch.cat([part[name] for part in parts], -1) for name in parts[0]}


def _arrays(tensors: dict[str, Tensor]) -> Arrays:
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


def _of_repeats(repeats: Float[Tensor, "repeats checked"] | None) -> dict[str, Any]:
    """How many repeats there are, of how many points, and what averaging them adds."""
    if repeats is None:
        return {}
    adds, error = mean_and_error(repeats_add(repeats))
    return {
        "n_checked": repeats.shape[1],
        "n_repeats": len(repeats),
        "repeats_add_nats": adds,
        "repeats_add_standard_error_nats": error,
    }
