"""What the quality stage writes of a data set's classifier and of a cell, and the tables read.

A file of its own beside `record`: so a change here judges again, and trains and evaluates nothing again.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from workflow.grid.record import OK, Identity

# What a row is of: samples beside real examples, chains of states and how they mix, what a model makes of examples, or
# how well it denoises them at one level.
SAMPLES, MIXING, REPRESENTATION, DENOISING = "samples", "mixing", "representation", "denoising"
BEFORE_TRAINING = "before training"  # the variant of a representation that a model has untrained


@dataclass(frozen=True, kw_only=True)
class QualityRow:
    """The measures of one set of samples.

    Attributes:
        estimator: what is measured, such as `SAMPLES`.
        variant: which samples, in words.
        status: as of an estimate.
        last_step, chain_start, n_chain_steps: of the samples, as of `cdae.interfaces.SampleVariant`.
        counts: numbers of examples, samples, chains or steps, by name.
        measures: means, each beside its standard error `..._standard_error` where there is one.
    """

    estimator: str
    variant: str = ""
    status: str = OK
    reason: str = ""
    last_step: str | None = None
    chain_start: str | None = None
    n_chain_steps: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class QualityRecord:
    """The quality of one cell, or of the controls that come with the classifier of a data set.

    Attributes:
        identity: of controls, with the model's name left empty; their rows' variants name them.
        status: `NOT_RUN` if the machine could not do the job, else `OK`, whatever became of single rows.
        facts: of the classifier: its errors, and how many examples they are of.
    """

    identity: Identity
    rows: list[QualityRow]
    facts: dict[str, float] = field(default_factory=dict)
    status: str = OK
    reason: str = ""
    config_sha256: str = ""
    code_sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        rows = [QualityRow(**row) for row in value["rows"]]
        return cls(**value | {"identity": Identity(**value["identity"]), "rows": rows})
