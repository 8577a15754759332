"""The table of sample quality: every set of samples, and of control examples, beside real test examples.

Measures are those of `cdae.quality.judge`, and so are their standard errors: over samples or over real examples, the
other set being as it is.
"""

import pandas as pd

from workflow.grid.quality_record import SAMPLES, QualityRecord
from workflow.tables.identity import IDENTITY, table
from workflow.tables.quality_rows import ENDS, rows_of, with_errors

WITH_ERRORS = (
    "precision", "recall", "density", "coverage", "spurious", "copies", "nearest_training_distance"
)  # fmt: skip
COLUMNS = [
    *IDENTITY, "variant", "last_step", "chain_start", "n_chain_steps", "n_samples", "n_real",
    *with_errors(*WITH_ERRORS), "frechet_distance", "classifier_test_error", *ENDS,
]  # fmt: skip


def sample_quality(records: list[QualityRecord]) -> pd.DataFrame:
    """One row per set of samples: controls first, as the records stand."""
    errors = {record.identity.dataset: record.facts["test_error"] for record in records if record.facts}
    rows = rows_of(records, SAMPLES)
    return table([row | {"classifier_test_error": errors.get(row["dataset"])} for row in rows], COLUMNS)
