"""The table of diagnostics: what else an estimator says of itself, such as a bandwidth or an effective sample size."""

import pandas as pd

from workflow.grid.record import EvaluationRecord, EvaluationRow
from workflow.tables.identity import IDENTITY, columns, of_row, table

COLUMNS = [*IDENTITY, "estimator", "variant", "diagnostic", "value"]


def diagnostics(records: list[EvaluationRecord]) -> pd.DataFrame:
    """One row per estimate and diagnostic."""
    rows = [
        {
            **columns(of_row(record.identity, row)),
            "estimator": row.estimator,
            "variant": row.variant,
            "diagnostic": name,
            "value": value,
        }
        for record in records
        for row in record.rows
        for name, value in _of(row).items()
    ]
    return table(rows, COLUMNS)


def _of(row: EvaluationRow) -> dict[str, float]:
    converged = {} if row.converged is None else {"converged": float(row.converged)}
    return row.diagnostics | converged
