"""The table of terms: the mean of every term of every bound, in nats, one row per cell and term."""

import pandas as pd

from workflow.grid.record import EvaluationRecord
from workflow.tables.identity import IDENTITY, columns, of_row, table

COLUMNS = [*IDENTITY, "term", "mean_nats"]


def bound_terms(records: list[EvaluationRecord]) -> pd.DataFrame:
    """One row per cell and term."""
    rows = [
        {**columns(of_row(record.identity, row)), "term": term, "mean_nats": nats}
        for record in records
        for row in record.rows
        for term, nats in row.mean_terms.items()
    ]
    return table(rows, COLUMNS)
