"""What names a row of a table, and tables on disk: the one reader and the one writer.

Names are text, whatever they look like: a model may be called 007, and a data set NA.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cdae.computing.files import write_text
from workflow.grid.record import EvaluationRow, Identity

IDENTITY = ["dataset", "model", "kind", "n_levels", "seed"]  # of a cell
SAMPLES = ["last_step", "chain_start", "n_chain_steps"]  # of what an estimate was made from, if from samples
TEXT = [
    "dataset", "model", "kind", "estimator", "variant", "last_step", "chain_start", "claim", "status", "reason",
    "split", "term", "diagnostic", "loss", "config_sha256", "code_sha256", "reference_model", "reference_estimator",
    "reference_variant", "other_model", "other_estimator", "other_variant", "conclusion",
]  # fmt: skip
WHOLE = [
    "n_levels", "seed", "n_updates", "level", "n_importance_samples", "n_distributions", "n_points", "n_simulated",
    "n_chain_steps", "n_train_points", "n_test_points", "n_seeds", "n_failed", "n_far",
    "reference_n_levels", "other_n_levels",
    "n_checked", "n_repeats", "passes_per_example", "n_samples", "n_real", "n_chains", "n_steps", "n_models",
    "n_own", "n_settled_pairs", "n_labels", "n_draws", "n_features", "n_examples", "n_train_examples",
]  # fmt: skip
YES_OR_NO = ["best", "extrapolates", "first_to_reach"]


def columns(identity: Identity) -> dict[str, Any]:
    """The columns of a cell's identity."""
    return asdict(identity)


def of_row(identity: Identity, row: EvaluationRow) -> Identity:
    """The identity that an estimate belongs to: that of its cell, or of another model made of the cell's own."""
    return replace(identity, model=identity.model + row.model_suffix)


def label(row: pd.Series) -> str:
    """A model and its number of levels, as figures and pages write it."""
    return row["model"] if pd.isna(row["n_levels"]) else f"{row['model']}, k = {row['n_levels']:g}"


def first_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of every model's first seed, and those that belong to none, such as of controls without a model."""
    first = rows.groupby(["dataset", "model", "n_levels"], dropna=False)["seed"].transform("min")
    return rows[(rows["seed"] == first) | rows["seed"].isna()]


def table(rows: list[dict[str, Any]], names: list[str]) -> pd.DataFrame:
    """A table with these columns."""
    return _typed(pd.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=names))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Every column of its sort, also where some or all of its values are missing, or where there is no row."""
    sorts = dict.fromkeys(TEXT, "str") | dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(YES_OR_NO, "bool")
    return frame.astype({name: sorts.get(name, "float64") for name in frame.columns})


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    write_text(path, frame.to_csv(index=False, float_format="%.10g", lineterminator="\n"))


def read_csv(path: Path) -> pd.DataFrame:
    """A table that `write_csv` wrote. Text stays text; an empty text is one, and no missing number.

    Raises:
        ValueError: if there is no such file.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such table; finish the run that makes it first")
    names = pd.read_csv(path, nrows=0).columns
    missing = {name: [""] for name in names if name not in TEXT}
    return _typed(pd.read_csv(path, dtype=dict.fromkeys(TEXT, "str"), keep_default_na=False, na_values=missing))
