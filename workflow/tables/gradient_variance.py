"""The table of how much the gradients of a cascade's losses vary from batch to batch, at the end of training.

All losses have the same gradient in expectation. A pass of the network at one level of one example is the unit of cost:
the loss over all levels makes k of them per example, and the others make one. So variances are compared per pass.
"""

from typing import Any

import pandas as pd

from workflow.grid.record import EvaluationRecord
from workflow.tables.identity import IDENTITY, columns, table

FULL = "full"
COLUMNS = [*IDENTITY, "loss", "gradient_variance", "passes_per_example", "variance_of_as_many_passes"]


def gradient_variances(records: list[EvaluationRecord]) -> pd.DataFrame:
    """One row per cell and loss; the last column is the variance of a batch, times the passes per example."""
    rows: list[dict[str, Any]] = []
    for record in records:
        for loss, variance in record.gradient_variance.items():
            passes = len(record.levels.corruption_std) if loss == FULL else 1
            facts = {"loss": loss, "gradient_variance": variance, "passes_per_example": passes}
            rows.append({**columns(record.identity), **facts, "variance_of_as_many_passes": variance * passes})
    return table(rows, COLUMNS)
