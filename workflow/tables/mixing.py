"""The table of mixing: chains of every model that is sampled by one, and independent samples of the others.

Measures are those of `cdae.quality.mixing`, with standard errors over chains. A measure that has no value, such as the
autocorrelation of chains whose classifier never changes its mind, is missing.
"""

import pandas as pd

from workflow.grid.quality_record import MIXING, QualityRecord
from workflow.tables.identity import IDENTITY, table
from workflow.tables.quality_rows import ENDS, rows_of, with_errors

LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # a test holds them equal to those of the library
MEASURES = (
    "effective_share", "transitions", "classes_reached", "spurious", *(f"autocorrelation_{lag}" for lag in LAGS)
)  # fmt: skip
COLUMNS = [*IDENTITY, "variant", "last_step", "chain_start", "n_chains", "n_steps", *with_errors(*MEASURES), *ENDS]


def mixing(records: list[QualityRecord]) -> pd.DataFrame:
    """One row per set of chains, and per set of independent samples."""
    return table(rows_of(records, MIXING), COLUMNS)
