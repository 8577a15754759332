"""The long table: one row per estimate of every cell, in the order of the configuration, and never of completion."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from cdae.certificates.claims import threshold_nats
from cdae.units import bits_per_dim
from workflow.grid.record import EvaluationRecord, EvaluationRow
from workflow.tables.cells import Evaluated
from workflow.tables.estimators import CARDS, Cards, claim
from workflow.tables.identity import IDENTITY, SAMPLES, columns, of_row, table

COLUMNS = [
    *IDENTITY, "estimator", "variant", "n_importance_samples", "split", "n_points", "mean_nats",
    "standard_error_nats", "bits_per_dim", "exact_nats", "excess_nats", "excess_standard_error_nats",
    "model_exact_nats", "claim", "status", "reason", "config_sha256", "code_sha256", *SAMPLES,
]  # fmt: skip


def log_likelihood(cells: list[Evaluated], cards: Cards = CARDS) -> pd.DataFrame:
    """One row per estimate of every cell.

    Args:
        cards: with those of users' own estimators.
    """
    rows = [
        {
            **asdict(row),
            **columns(of_row(record.identity, row)),
            "split": "test" if row.n_points is not None else None,
            "bits_per_dim": _bits_per_dim(record, row, cards),
            "claim": claim(row, threshold_nats(record.dim, record.n_intensity_levels), cards=cards),
            "config_sha256": record.config_sha256,
            "code_sha256": record.code_sha256,
        }
        for record in (cell.record for cell in cells)
        for row in record.rows
    ]
    return table(rows, COLUMNS)


def per_example_values(cells: list[Evaluated]) -> list[np.ndarray | None]:
    """The values behind every row of the long table, in its order; None where it failed."""
    return [cell.values.get(row.key) if row.status == "ok" else None for cell in cells for row in cell.record.rows]


def _bits_per_dim(record: EvaluationRecord, row: EvaluationRow, cards: Cards) -> float | None:
    """Bits per dimension on the dequantized scale; None for data without levels and where they mean nothing."""
    if record.n_intensity_levels is None or row.mean_nats is None or not cards[row.estimator].in_bits:
        return None
    return bits_per_dim(row.mean_nats, dim=record.dim, n_intensity_levels=record.n_intensity_levels)
