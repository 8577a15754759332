"""The table of denoising: squared errors at every level, in units of the data's pooled variance.

Standard errors are over examples. A blind denoiser and the controls have the levels of the section `denoising`, another
denoiser has its own. Above `own_last_std`, the highest level that a cascade was trained at, its denoiser extrapolates.
"""

import pandas as pd

from workflow.grid.quality_record import DENOISING, QualityRecord
from workflow.tables.identity import IDENTITY, table
from workflow.tables.quality_rows import ENDS, rows_of, with_errors

MEASURES = ("relative_mse", "relative_mse_train")
COLUMNS = [*IDENTITY, "relative_std", "own_last_std", "n_examples", "n_train_examples", *with_errors(*MEASURES), *ENDS]


def denoising(records: list[QualityRecord]) -> pd.DataFrame:
    """One row per denoiser and level; controls first, as the records stand."""
    return table(rows_of(records, DENOISING), COLUMNS)
