"""The table of snapshots: the bounds of every cell that kept some, on the way through training and at its end."""

from dataclasses import asdict

import pandas as pd

from workflow.grid.record import EvaluationRecord
from workflow.tables.identity import IDENTITY, columns, table

OF_A_ROW = ["estimator", "n_importance_samples", "n_points", "mean_nats", "standard_error_nats", "status", "reason"]
COLUMNS = [*IDENTITY, "n_updates", *OF_A_ROW]


def snapshots(ends: list[EvaluationRecord], on_the_way: list[EvaluationRecord]) -> pd.DataFrame:
    """One row per cell, number of updates and bound.

    Args:
        ends: the evaluations of all finished models; those without snapshots are left out.
        on_the_way: the evaluations of all snapshots.
    """
    kept = {record.identity: [row.estimator for row in record.rows] for record in on_the_way}
    rows = [
        {**asdict(row), **columns(record.identity), "n_updates": record.n_updates}
        for record in [*on_the_way, *(record for record in ends if record.identity in kept)]
        for row in record.rows
        if row.estimator in kept[record.identity]
    ]
    return table(rows, COLUMNS).sort_values(COLUMNS[:6], kind="stable")
