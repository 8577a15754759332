"""Records and tables made by hand, with defaults for all that a test does not look at."""

from typing import Any

import numpy as np
import pandas as pd

from workflow.figures.material import Material
from workflow.grid.record import EvaluationRecord, EvaluationRow, Identity, Levels
from workflow.tables import (
    bound_terms,
    certificates,
    denoising,
    diagnostics,
    levels,
    mixing,
    predicted_bounds,
    ranking,
    representation,
    sample_quality,
    snapshots,
    summary,
    train_test_gap,
)
from workflow.tables.identity import table
from workflow.tables.tightest import HALVES

CELL = {"dataset": "mnist", "model": "cdae", "kind": "cdae", "n_levels": 4, "seed": 0}
BOUND = EvaluationRow(estimator="lower_bound", n_points=400, mean_nats=10.0, standard_error_nats=0.4)


def evaluation_record(*rows: EvaluationRow, cell: dict[str, Any] | None = None, **changes: Any) -> EvaluationRecord:
    """The evaluation of one cell of images with 17 levels, by these rows."""
    known = {
        "dim": 64, "n_intensity_levels": 17, "split_sizes": {"train": 1_097, "validation": 300, "test": 400},
        "levels": Levels(), "seen_examples": {},
    }  # fmt: skip
    return EvaluationRecord(identity=Identity(**CELL | (cell or {})), rows=list(rows), **known | changes)


def summary_row(**changes: Any) -> dict[str, Any]:
    """One row of the summary: a lower bound over three seeds."""
    known = {
        **CELL, "estimator": "lower_bound", "variant": "", "n_seeds": 3, "n_failed": 0, "n_not_run": 0, "n_points": 400,
        "mean_nats": 100.0, "standard_error_nats": 1.5, "seed_std_nats": 0.25, "median_nats": 101.0, "best": False,
        "claim": "lower bound",
    }  # fmt: skip
    return known | changes


def failed_summary_row(**changes: Any) -> dict[str, Any]:
    """One row of the summary whose seeds have all failed."""
    nothing = dict.fromkeys(summary.STATISTICS) | {"n_seeds": 0, "n_failed": 3}
    return summary_row(**nothing | changes)


def summary_table(*rows: dict[str, Any]) -> pd.DataFrame:
    frame = table(list(rows), [*summary.KEYS, *summary.STATISTICS, "n_failed", "n_not_run"])
    return frame.assign(best=[row["best"] for row in rows])


def certificate(**changes: Any) -> dict[str, Any]:
    """One row of the table of certificates: a cascade, annealed."""
    known = {
        **CELL, "estimator": "annealed", "variant": "fitted", "n_importance_samples": 2, "n_distributions": 1600,
        "n_points": 40, "mean_nats": 125.0, "standard_error_nats": 3.0, "bound_nats": 120.0,
        "bound_standard_error_nats": 3.0, "test_nats": 130.0, "test_standard_error_nats": 2.0, "gap_nats": 4.5,
        "gap_standard_error_nats": 0.25, "mean_effective_sample_size": 1.0, "claim": "gap certified on simulated data",
        "status": "ok", "reason": "", "extrapolates": False,
    }  # fmt: skip
    row = known | changes
    gap, error = row["gap_nats"], row["gap_standard_error_nats"]
    return dict(zip(HALVES, (gap, error, gap, error), strict=True)) | row


def failed_certificate(**changes: Any) -> dict[str, Any]:
    known = {**CELL, "estimator": "annealed", "variant": "fitted", "claim": "failed", "status": "failed"}
    return known | {"reason": "divergence"} | changes


def certificate_table(*rows: dict[str, Any]) -> pd.DataFrame:
    return table(list(rows), certificates.COLUMNS)


def quality_row(**changes: Any) -> dict[str, Any]:
    """One row of the table of sample quality."""
    measures = dict.fromkeys(sample_quality.WITH_ERRORS, 0.5) | {"frechet_distance": 5.0, sample_quality.PARZEN: 90.0}
    errors = {f"{name}_standard_error": 0.01 for name in sample_quality.WITH_ERRORS}
    known = {"variant": "last step sample", "last_step": "sample", "n_samples": 300, "n_real": 300, "status": "ok"}
    return CELL | known | measures | errors | {"reason": ""} | changes


def quality_table(*rows: dict[str, Any]) -> pd.DataFrame:
    return table(list(rows), sample_quality.COLUMNS)


def mixing_row(**changes: Any) -> dict[str, Any]:
    """One row of the table of mixing, with correlations at three lags."""
    names = ("effective_share", "transitions", "spurious", *(f"autocorrelation_{lag}" for lag in (1, 2, 5)))
    measures = dict.fromkeys(names, 0.5) | {f"{name}_standard_error": 0.01 for name in names}
    known = {"variant": "independent, last step sample", "last_step": "sample", "chain_start": "", "status": "ok"}
    return CELL | known | measures | {"n_chains": 10, "n_steps": 500, "reason": ""} | changes


def mixing_table_of(*rows: dict[str, Any]) -> pd.DataFrame:
    return table(list(rows), mixing.COLUMNS)


def snapshot(**changes: Any) -> dict[str, Any]:
    """One row of the table of snapshots."""
    known = {**CELL, "n_updates": 50, "estimator": "lower_bound", "n_points": 400, "mean_nats": 60.0, "status": "ok"}
    return known | {"reason": ""} | changes


def snapshot_table(*rows: dict[str, Any]) -> pd.DataFrame:
    return table(list(rows), snapshots.COLUMNS)


def gap(**changes: Any) -> dict[str, Any]:
    """One row of the table of gaps between training and test examples."""
    return CELL | {"estimator": "lower_bound", "gap_nats": 3.0, "gap_standard_error_nats": 0.5} | changes


def gap_table(*rows: dict[str, Any]) -> pd.DataFrame:
    return table(list(rows), train_test_gap.COLUMNS)


def material(**changes: Any) -> Material:
    """What the figures of mnist are drawn from, images of 2 x 2 pixels; nothing but what is given."""
    known = {
        "summary": summary_table(),
        "bound_terms": table([], bound_terms.COLUMNS),
        "diagnostics": table([], diagnostics.COLUMNS),
        "levels": table([], levels.COLUMNS),
        "snapshots": snapshot_table(),
        "certificates": certificate_table(),
        "predicted_bounds": table([], predicted_bounds.COLUMNS),
        "sample_quality": table([], sample_quality.COLUMNS),
        "mixing": table([], mixing.COLUMNS),
        "representation": table([], representation.COLUMNS),
        "denoising": table([], denoising.COLUMNS),
        "ranked_values": table([], ranking.VALUES),
        "ranking": table([], ranking.COLUMNS),
        "pictures": {},
        "test": np.linspace(0.0, 1.0, 80).reshape(20, 4),
        "image_shape": (2, 2),
    }
    return Material("mnist", **known | changes)
