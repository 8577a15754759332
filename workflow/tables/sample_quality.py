"""The table of sample quality: every set of samples, and of control examples, beside real test examples.

Measures are those of `cdae.quality.judge`, and so are their standard errors: over samples or over real examples, the
other set being as it is. Beside them stands the Parzen estimate of the same kind of samples, in nats, where the run
has one, so that one sees which measure rewards what.
"""

import pandas as pd

from workflow.grid.quality_record import SAMPLES, QualityRecord
from workflow.grid.record import OK
from workflow.tables.identity import IDENTITY, table
from workflow.tables.quality_rows import ENDS, rows_of, with_errors

WITH_ERRORS = (
    "precision", "recall", "density", "coverage", "spurious", "copies", "nearest_training_distance"
)  # fmt: skip
PARZEN = "parzen_nats"
COLUMNS = [
    *IDENTITY, "variant", "last_step", "chain_start", "n_chain_steps", "n_samples", "n_real",
    *with_errors(*WITH_ERRORS), "frechet_distance", *with_errors(PARZEN), "classifier_test_error", *ENDS,
]  # fmt: skip


def sample_quality(records: list[QualityRecord], long: pd.DataFrame) -> pd.DataFrame:
    """One row per set of samples: controls first, as the records stand.

    Args:
        long: of all estimates.
    """
    errors = {record.identity.dataset: record.facts["test_error"] for record in records if record.facts}
    rows = rows_of(records, SAMPLES)
    judged = table([row | {"classifier_test_error": errors.get(row["dataset"])} for row in rows], COLUMNS)
    parzen = long[(long["estimator"] == "parzen") & (long["status"] == OK)]
    parzen = parzen.rename(columns=dict(zip(("mean_nats", "standard_error_nats"), with_errors(PARZEN), strict=True)))
    keys = [*IDENTITY, "variant"]
    both = judged.drop(columns=with_errors(PARZEN)).merge(parzen[[*keys, *with_errors(PARZEN)]], on=keys, how="left")
    return both[COLUMNS]
