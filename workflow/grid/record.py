"""What a job writes of its cell and the tables read: one record per cell and stage, with typed rows.

Jobs and tables both know this file, and neither knows the other. It imports nothing of ours. Not here: the record of a
certification (`certificate`), which training and evaluation do not depend on.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

OK, FAILED, NOT_RUN = "ok", "failed", "not run"  # what a status can be; the machine could not do what was not run


@dataclass(frozen=True)
class Identity:
    """A cell, as the tables name it.

    Attributes:
        model: the model's name in the configuration, or that of another model made of it.
        kind: the sort of model, such as "cdae" or "control".
        n_levels: k of a cascade; None for other models.
    """

    dataset: str
    model: str
    kind: str
    n_levels: int | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One estimate on test data: a mean over examples in nats, its standard error, and the exact value beside it.

    Attributes:
        variant: what tells the estimate from others of the same estimator, in words.
        status: `OK`, or `FAILED` or `NOT_RUN` and then `reason` says why.
        exact_nats: mean log density of the data at the same examples; None where it is unknown.
        excess_nats: mean paired excess over the exact value.
    """

    estimator: str
    variant: str = ""
    status: str = OK
    reason: str = ""
    n_importance_samples: int | None = None
    n_points: int | None = None
    mean_nats: float | None = None
    standard_error_nats: float | None = None
    exact_nats: float | None = None
    excess_nats: float | None = None
    excess_standard_error_nats: float | None = None
    converged: bool | None = None

    @property
    def key(self) -> str:
        """The name of the estimate's per-example values."""
        return f"{self.estimator}/{self.variant}"


@dataclass(frozen=True, kw_only=True)
class EvaluationRow(Row):
    """An estimate of an evaluation.

    Attributes:
        model_suffix: what the model's name is followed by where the estimate belongs to another model made of it.
        last_step, chain_start, n_chain_steps: of the samples, where the estimate was made from some.
        model_exact_nats: the mean where it is the model's own density in closed form.
        mean_terms: mean of every term of a bound, in nats.
    """

    model_suffix: str = ""
    last_step: str | None = None
    chain_start: str | None = None
    n_chain_steps: int | None = None
    model_exact_nats: float | None = None
    mean_terms: dict[str, float] = field(default_factory=dict)
    diagnostics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenExamples:
    """An estimate on training examples."""

    n_points: int
    mean_nats: float
    standard_error_nats: float


@dataclass(frozen=True)
class Levels:
    """What is known level by level, i = 1 .. k: c_i, rho_{i-1}, and the denoiser's mean squared error per dimension."""

    corruption_std: list[float] = field(default_factory=list)
    reconstruction_std: list[float] = field(default_factory=list)
    mse_train: list[float] = field(default_factory=list)
    mse_test: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """The evaluation of one cell, at the end of its training or at a snapshot on the way.

    Attributes:
        status: `NOT_RUN` if the machine could not do the job, else `OK`, whatever became of single rows.
        notes: warnings about the user's input.
        n_updates: gradient steps until then; None for a model that is not trained by them.
        n_intensity_levels: of the data; None for real values.
        seen_examples: by estimator, what it gives on training examples.
        gradient_variance: by loss, of the gradient of one batch of training examples, summed over parameters.
        predicted_nats: by split, the bound that a pilot promised, of a model whose levels it chose.
    """

    identity: Identity
    dim: int
    n_intensity_levels: int | None
    split_sizes: dict[str, int]
    rows: list[EvaluationRow]
    levels: Levels
    seen_examples: dict[str, SeenExamples]
    gradient_variance: dict[str, float] = field(default_factory=dict)
    predicted_nats: dict[str, float] = field(default_factory=dict)
    n_updates: int | None = None
    status: str = OK
    notes: list[str] = field(default_factory=list)
    config_sha256: str = ""
    code_sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        parts = {
            "identity": Identity(**value["identity"]),
            "rows": [EvaluationRow(**row) for row in value["rows"]],
            "levels": Levels(**value["levels"]),
            "seen_examples": {name: SeenExamples(**seen) for name, seen in value["seen_examples"].items()},
        }
        return cls(**value | parts)
