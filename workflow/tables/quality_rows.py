"""The rows of what the quality stage measured, as all of its tables have them.

A control has its name in the place of a model's, and no seed.
"""

from collections.abc import Sequence
from typing import Any

from workflow.grid.quality_record import QualityRecord, QualityRow
from workflow.tables.identity import columns

TEXTS = ("last_step", "chain_start", "status", "reason")
ENDS = ["status", "reason", "config_sha256", "code_sha256"]  # the last columns of every table


def rows_of(records: Sequence[QualityRecord], estimator: str) -> list[dict[str, Any]]:
    """One row per row of the records that is of this estimator, in their order."""
    return [_columns(record, row) for record in records for row in record.rows if row.estimator == estimator]


def with_errors(*names: str) -> list[str]:
    """The columns of measures, each followed by that of its standard error."""
    return [column for name in names for column in (name, f"{name}_standard_error")]


def _columns(record: QualityRecord, row: QualityRow) -> dict[str, Any]:
    named = columns(record.identity) | {"variant": row.variant}
    if not record.identity.model:
        named |= {"model": row.variant, "seed": None, "variant": ""}
    facts: dict[str, Any] = {name: getattr(row, name) or "" for name in TEXTS} | {"n_chain_steps": row.n_chain_steps}
    hashes = {"config_sha256": record.config_sha256, "code_sha256": record.code_sha256}
    return {**named, **facts, **row.counts, **row.measures, **hashes}
