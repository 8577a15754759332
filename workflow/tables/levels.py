"""The table of corruption levels i = 1 .. k: c_i, rho_{i-1} and the denoiser's mean squared error on either split."""

from dataclasses import asdict

import pandas as pd

from workflow.grid.record import EvaluationRecord
from workflow.tables.identity import IDENTITY, columns, table

QUANTITIES = ["corruption_std", "reconstruction_std", "mse_train", "mse_test"]
COLUMNS = [*IDENTITY, "n_updates", "level", *QUANTITIES]


def levels(records: list[EvaluationRecord]) -> pd.DataFrame:
    """One row per cell, number of updates and level."""
    rows = []
    for record in records:
        known = asdict(record.levels)
        for i, values in enumerate(zip(*(known[name] for name in QUANTITIES), strict=True), start=1):
            what = {**columns(record.identity), "n_updates": record.n_updates, "level": i}
            rows.append(what | dict(zip(QUANTITIES, values, strict=True)))
    return table(rows, COLUMNS).sort_values(COLUMNS[:7], kind="stable")
