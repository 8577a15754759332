"""The table of representations: test errors of a linear probe and of the nearest neighbour, by number of labels.

Standard errors are over test examples, and `..._draw_std` is the standard deviation between draws of the labelled
examples. A control has its name in the place of a model's, and no seed. The variant `before training` is what a model
makes of examples with the weights that it begins with.
"""

import pandas as pd

from workflow.grid.quality_record import REPRESENTATION, QualityRecord
from workflow.tables.identity import IDENTITY, columns, table

MEASURES = ("probe_error", "neighbour_error")
COLUMNS = [
    *IDENTITY, "variant", "n_labels", "n_draws", "n_features",
    *(column for name in MEASURES for column in (name, f"{name}_standard_error", f"{name}_draw_std")),
    "status", "reason", "config_sha256", "code_sha256",
]  # fmt: skip


def representation(records: list[QualityRecord]) -> pd.DataFrame:
    """One row per representation and number of labels; controls first, as the records stand."""
    rows = [
        {
            **columns(record.identity),
            **(
                {"variant": row.variant}
                if record.identity.model
                else {"model": row.variant, "seed": None, "variant": ""}
            ),
            **row.counts,
            **row.measures,
            "status": row.status,
            "reason": row.reason,
            "config_sha256": record.config_sha256,
            "code_sha256": record.code_sha256,
        }
        for record in records
        for row in record.rows
        if row.estimator == REPRESENTATION
    ]
    return table(rows, COLUMNS)
