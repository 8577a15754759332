"""The records of all cells with their per-example values, as the tables read them from disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdae.computing.arrays import read_npz
from cdae.computing.files import read_record
from workflow.grid.certificate import CertificationRecord
from workflow.grid.quality_record import QualityRecord
from workflow.grid.record import EvaluationRecord

Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Evaluated:
    """A cell's evaluation; `values` by the keys of its rows, in nats per example."""

    record: EvaluationRecord
    values: Values


@dataclass(frozen=True)
class Certified:
    """A cell's certification; `values` by the keys of its rows and what they are of."""

    record: CertificationRecord
    values: Values


def read_evaluated(path: Path) -> Evaluated:
    return Evaluated(EvaluationRecord.from_json(read_record(path)), _values(path))


def read_certified(path: Path) -> Certified:
    return Certified(CertificationRecord.from_json(read_record(path)), _values(path))


def read_quality(path: Path) -> QualityRecord:
    return QualityRecord.from_json(read_record(path))


def read_snapshots(path: Path) -> list[EvaluationRecord]:
    return [EvaluationRecord.from_json(value) for value in read_record(path)["snapshots"]]


def _values(path: Path) -> Values:
    """The arrays in the file beside a record."""
    return read_npz(path.with_suffix(".npz"))
