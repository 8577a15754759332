"""What the certification of a cell writes and the tables read.

A file of its own beside `record`: so a change here certifies again, and trains and evaluates nothing again.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

from workflow.grid.record import OK, Identity, Row


@dataclass(frozen=True, kw_only=True)
class CertificateRow(Row):
    """An estimate of a certification, with both sides on data that the model has simulated.

    Attributes:
        n_distributions: that annealing went over; None for other estimators.
        bound_nats: mean log weight on test data, which is a bound without an average of weights.
        gap_nats: mean of upper minus lower bound on simulated data.
        n_repeats: independent repeats of the whole estimate on `n_checked` of the test points; None without repeats.
        repeats_add_nats: what averaging them adds to a single one, in the mean over those points; at least so much is
            added by that many times the work.
        has_heavy_tail: whether Pareto k says that the average of the weights is not to be trusted.
        largest_variance_ratio: of a transition's variance to the inference model's; None for an unbounded denoiser.
    """

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


@dataclass(frozen=True, kw_only=True)
class CertificationRecord:
    """The certification of one cell; `status` and `n_intensity_levels` as of an evaluation."""

    identity: Identity
    dim: int
    rows: list[CertificateRow]
    n_intensity_levels: int | None = None
    status: str = OK
    config_sha256: str = ""
    code_sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        rows = [CertificateRow(**row) for row in value["rows"]]
        return cls(**value | {"identity": Identity(**value["identity"]), "rows": rows})
