"""What per-example values become in a row: a mean, its error, and where they stand beside the exact value."""

from typing import Any

PAIRED_ERRORS = 5.0  # a lower bound further above the exact value than this many standard errors is a bug


def mean_and_error(values: Any) -> tuple[float, float]:
    """Mean and its standard error, std / sqrt(n)."""
    return values.mean().item(), values.std().item() / len(values) ** 0.5


def measured(values: Any, exact: Any) -> dict[str, Any]:
    """Mean and error; where the exact value of the same examples is known, also the paired excess over it.

    A row whose values lie above the exact ones by more than `PAIRED_ERRORS` paired standard errors has failed.

    Args:
        exact: log density of the same examples in nats, or None.
    """
    mean, error = mean_and_error(values)
    row: dict[str, Any] = {"mean_nats": mean, "standard_error_nats": error}
    if exact is None:
        return row
    excess, error = mean_and_error(values - exact)
    row |= {"exact_nats": exact.mean().item(), "excess_nats": excess, "excess_standard_error_nats": error}
    if excess > PAIRED_ERRORS * error:
        row["status"] = "failed"
        row["reason"] = f"{excess:.3g} nats above the exact value, {excess / error:.1f} paired standard errors"
    return row
