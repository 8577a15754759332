"""The table of bounds that a pilot promised beside those that the models have, of models whose levels it chose.

The promise is for a denoiser with the pilot's errors, and one that is trained on the chosen levels alone has others. It
is a mean over training examples, or over validation examples at variances fitted to the training examples. Beside them
stand the lower bound on training examples and on the test split.
"""

from typing import Any

import pandas as pd

from workflow.grid.record import OK, EvaluationRecord
from workflow.tables.identity import IDENTITY, columns, table

BOUND = "lower_bound"
COLUMNS = [
    *IDENTITY, "predicted_train_nats", "train_nats", "train_standard_error_nats", "predicted_validation_nats",
    "test_nats", "test_standard_error_nats",
]  # fmt: skip


def predicted_bounds(records: list[EvaluationRecord]) -> pd.DataFrame:
    """One row per cell whose levels a pilot chose; a bound that failed is missing."""
    return table([_row(record) for record in records if record.predicted_nats], COLUMNS)


def _row(record: EvaluationRecord) -> dict[str, Any]:
    seen = record.seen_examples.get(BOUND)
    (test,) = [row for row in record.rows if row.estimator == BOUND and row.status == OK] or [None]
    return {
        **columns(record.identity),
        "predicted_train_nats": record.predicted_nats["train"],
        "predicted_validation_nats": record.predicted_nats["validation"],
        "train_nats": seen and seen.mean_nats,
        "train_standard_error_nats": seen and seen.standard_error_nats,
        "test_nats": test and test.mean_nats,
        "test_standard_error_nats": test and test.standard_error_nats,
    }
