"""The table of what every model scores on training examples beside the test split, by its bound or its exact density.

The gap is the mean on training examples minus the mean on the test split; the two are independent draws of points, so
their standard errors add in squares. A row needs both: a cell whose estimate failed has none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from workflow.grid.record import EvaluationRecord
from workflow.tables.identity import IDENTITY, columns, of_row, table

COLUMNS = [
    *IDENTITY, "estimator", "n_train_points", "train_nats", "train_standard_error_nats", "n_test_points", "test_nats",
    "test_standard_error_nats", "gap_nats", "gap_standard_error_nats",
]  # fmt: skip


def train_test_gap(records: list[EvaluationRecord]) -> pd.DataFrame:
    """One row per cell and estimator that was computed on training examples and on the whole test split, in nats."""
    return table([row for record in records for row in _rows(record)], COLUMNS)


def _rows(record: EvaluationRecord) -> Iterator[dict[str, Any]]:
    for row in record.rows:
        seen = record.seen_examples.get(row.estimator)
        if seen is not None and row.status == "ok":
            yield {
                **columns(of_row(record.identity, row)),
                "estimator": row.estimator,
                "n_train_points": seen.n_points,
                "train_nats": seen.mean_nats,
                "train_standard_error_nats": seen.standard_error_nats,
                "n_test_points": row.n_points,
                "test_nats": row.mean_nats,
                "test_standard_error_nats": row.standard_error_nats,
                "gap_nats": seen.mean_nats - row.mean_nats,
                "gap_standard_error_nats": float(np.hypot(seen.standard_error_nats, row.standard_error_nats)),
            }
