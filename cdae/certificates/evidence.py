"""What one estimator's weights, its gap and its repeats say of its estimate of log p(x).

Not here: how these numbers are made (`measured`), and what may be claimed from them (`claims`). It imports nothing of
ours.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Means over examples, in nats where their names say so; None where a number is unknown or means nothing.

    Attributes:
        n_importance_samples: rows of weights of each example.
        converged: whether the weights agree (`convergence.has_converged`).
        n_distributions: that annealing went over; None for other estimators.
        bound_nats: mean log weight on test data, which is a bound without an average of weights.
        gap_nats: mean of upper minus lower bound on simulated data.
        n_repeats: independent repeats of the whole estimate on `n_checked` of the test points; None without repeats.
        repeats_add_nats: what averaging them adds to a single one, in the mean over those points; at least so much is
            added by that many times the work.
        has_heavy_tail: whether Pareto k says that the average of the weights is not to be trusted.
        largest_variance_ratio: of a transition's variance to the inference model's; None for an unbounded denoiser.
    """

    n_importance_samples: int | None = None
    converged: bool | None = None
    n_distributions: int | None = None
    bound_nats: float | None = None
    bound_standard_error_nats: float | None = None
    n_simulated: int | None = None
    simulated_lower_nats: float | None = None
    simulated_upper_nats: float | None = None
    gap_nats: float | None = None
    gap_standard_error_nats: float | None = None
    n_checked: int | None = None
    n_repeats: int | None = None
    repeats_add_nats: float | None = None
    repeats_add_standard_error_nats: float | None = None
    has_heavy_tail: bool | None = None
    mean_effective_sample_size: float | None = None
    mean_log_weight_std: float | None = None
    mean_relative_error: float | None = None
    mean_slope: float | None = None
    slope_standard_error: float | None = None
    mean_pareto_k: float | None = None
    largest_variance_ratio: float | None = None
