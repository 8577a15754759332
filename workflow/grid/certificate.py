"""What the certification of a cell writes and the tables read.

A file of its own beside `record`: so a change here certifies again, and trains and evaluates nothing again.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

from cdae.certificates.evidence import Evidence
from workflow.grid.record import OK, Identity, Row


@dataclass(frozen=True, kw_only=True)
class CertificateRow(Evidence, Row):
    """An estimate of a certification, with both sides on data that the model has simulated."""


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
