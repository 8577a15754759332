"""What per-example values become in a row: a mean, its error, and where they stand beside the exact value."""

from typing import Any

from torch import Tensor

PAIRED_ERRORS = 5.0  # a lower bound further above the exact value than this many standard errors is a bug
ROUNDING = 1e-6  # of a log weight whose factors are computed in float32


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean and its standard error, std / sqrt(n)."""
    return values.mean().item(), values.std().item() / len(values) ** 0.5


def beside_exact(values: Tensor, exact: Tensor | None) -> dict[str, Any]:
    """Fields of one estimate: mean and error and, where the exact value is known, the paired excess over it.

    A row whose values lie above the exact ones by more than `PAIRED_ERRORS` paired standard errors has failed.

    Args:
        values: (n,), in nats.
        exact: log density of the same examples in nats, or None.

    Raises:
        ArithmeticError: if a value is not finite.
    """
    if not values.isfinite().all():
        raise ArithmeticError(f"{int((~values.isfinite()).sum())} of {len(values)} values not finite")
    mean, error = mean_and_error(values)
    fields: dict[str, Any] = {"n_points": len(values), "mean_nats": mean, "standard_error_nats": error}
    if exact is None:
        return fields
    excess, error = mean_and_error(values - exact)
    fields |= {"exact_nats": exact.mean().item(), "excess_nats": excess, "excess_standard_error_nats": error}
    if excess > PAIRED_ERRORS * error:
        fields["status"] = "failed"
        fields["reason"] = f"{excess:.3g} nats above the exact value, {excess / error:.1f} paired standard errors"
    return fields


def beside_upper(lower: Tensor, upper: Tensor) -> dict[str, Any]:
    """Fields of one estimate: both bounds on the same simulated points, and the gap between them.

    A row whose upper bound lies below its lower bound by more than `PAIRED_ERRORS` paired standard errors, and by more
    than rounding explains, has failed.

    Args:
        lower, upper: (n,), in nats.
    """
    gap, error = mean_and_error(upper - lower)
    fields: dict[str, Any] = {
        "n_simulated": len(upper),
        "simulated_lower_nats": lower.mean().item(),
        "simulated_upper_nats": upper.mean().item(),
        "gap_nats": gap,
        "gap_standard_error_nats": error,
    }
    rounding = ROUNDING * max(lower.abs().max().item(), upper.abs().max().item())
    if gap < -PAIRED_ERRORS * error - rounding:
        fields["status"] = "failed"
        fields["reason"] = (
            f"gap of {gap:.3g} ± {error:.2g} nats on simulated data, expected at least 0: one of its two bounds is "
            "wrong, which is a bug"
        )
    return fields
