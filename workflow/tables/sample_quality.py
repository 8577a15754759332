"""The table of sample quality: every set of samples, and of control examples, beside real test examples.

Measures are those of `cdae.quality.judge`, and so are their standard errors: over samples or over real examples, the
other set being as it is. A control has its name in the place of a model's, and no seed.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from workflow.grid.quality_record import SAMPLES, QualityRecord
from workflow.tables.identity import IDENTITY, columns, table

WITH_ERRORS = (
    "precision", "recall", "density", "coverage", "spurious", "copies", "nearest_training_distance"
)  # fmt: skip
COLUMNS = [
    *IDENTITY, "variant", "last_step", "chain_start", "n_chain_steps", "n_samples", "n_real",
    *(column for name in WITH_ERRORS for column in (name, f"{name}_standard_error")),
    "frechet_distance", "classifier_test_error", "status", "reason", "config_sha256", "code_sha256",
]  # fmt: skip


def sample_quality(records: list[QualityRecord]) -> pd.DataFrame:
    """One row per set of samples: controls first, as the records stand."""
    errors = {record.identity.dataset: record.facts["test_error"] for record in records if record.facts}
    return table([row for record in records for row in _rows(record, errors)], COLUMNS)


def _rows(record: QualityRecord, errors: dict[str, float]) -> Iterator[dict[str, Any]]:
    for row in record.rows:
        if row.estimator != SAMPLES:
            continue
        named = columns(record.identity)
        if not record.identity.model:
            named |= {"model": row.variant, "seed": None}
        facts = {name: getattr(row, name) for name in ("last_step", "chain_start", "n_chain_steps", "status", "reason")}
        yield {
            **named,
            "variant": row.variant if record.identity.model else "",
            **facts,
            **row.counts,
            **row.measures,
            "classifier_test_error": errors.get(record.identity.dataset),
            "config_sha256": record.config_sha256,
            "code_sha256": record.code_sha256,
        }
