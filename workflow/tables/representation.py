"""The table of representations: test errors of a linear probe and of the nearest neighbour, by number of labels.

Standard errors are over test examples, and `..._draw_std` is the standard deviation between draws of the labelled
examples. The variant `before training` is what a model
makes of examples with the weights that it begins with.
"""

import pandas as pd

from workflow.grid.quality_record import REPRESENTATION, QualityRecord
from workflow.tables.identity import IDENTITY, table
from workflow.tables.quality_rows import ENDS, rows_of

MEASURES = ("probe_error", "neighbour_error")
COLUMNS = [
    *IDENTITY, "variant", "n_labels", "n_draws", "n_features",
    *(column for name in MEASURES for column in (name, f"{name}_standard_error", f"{name}_draw_std")), *ENDS,
]  # fmt: skip


def representation(records: list[QualityRecord]) -> pd.DataFrame:
    """One row per representation and number of labels; controls first, as the records stand."""
    return table(rows_of(records, REPRESENTATION), COLUMNS)
