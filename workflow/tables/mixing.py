"""The table of mixing: chains of every model that is sampled by one, and independent samples of the others.

Measures are those of `cdae.quality.mixing`, with standard errors over chains. A measure that has no value, such as the
autocorrelation of chains whose classifier never changes its mind, is missing.
"""

import pandas as pd

from workflow.grid.quality_record import MIXING, QualityRecord
from workflow.tables.identity import IDENTITY, columns, table

LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # a test holds them equal to those of the library
MEASURES = (
    "effective_share", "transitions", "classes_reached", "spurious", *(f"autocorrelation_{lag}" for lag in LAGS)
)  # fmt: skip
COLUMNS = [
    *IDENTITY, "variant", "last_step", "chain_start", "n_chains", "n_steps",
    *(column for name in MEASURES for column in (name, f"{name}_standard_error")),
    "status", "reason", "config_sha256", "code_sha256",
]  # fmt: skip


def mixing(records: list[QualityRecord]) -> pd.DataFrame:
    """One row per set of chains, and per set of independent samples."""
    rows = [
        {
            **columns(record.identity),
            **{name: getattr(row, name) or "" for name in ("variant", "last_step", "chain_start", "status", "reason")},
            **row.counts,
            **row.measures,
            "config_sha256": record.config_sha256,
            "code_sha256": record.code_sha256,
        }
        for record in records
        for row in record.rows
        if row.estimator == MIXING
    ]
    return table(rows, COLUMNS)
