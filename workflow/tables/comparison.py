"""The comparison of a finished run with a committed reference, cell by cell.

On the same kind of machine (recorded beside the reference) every number must be equal. Elsewhere floating-point sums
differ in their last bits and training amplifies that, so a cell may deviate by up to
5 sqrt(se^2 + seed spread^2). Missing, added and failed cells are deviations too.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from cdae.computing.files import read_json, write_json, write_text, written_whole
from workflow.grid import machine
from workflow.grid.products import COMMITTED_FIGURES, TABLES
from workflow.tables.identity import IDENTITY, read_csv

TABLE, CERTIFICATES = "log_likelihood.csv", "certificates.csv"
KEYS = [*IDENTITY, "estimator", "variant", "n_importance_samples"]
CELL = [key for key in KEYS if key != "seed"]
VALUES = [
    "mean_nats",
    "standard_error_nats",
    "exact_nats",
    "excess_nats",
    "model_exact_nats",
    "bits_per_dim",
    "gap_nats",
]
ALLOWED_ERRORS = 5.0
N_WORST = 5


def update(reference: Path, tables: Path) -> None:
    """Copy the tables and the main figures of a run, and note the kind of machine that made them."""
    read_tables(tables)
    reference.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        shutil.copyfile(tables / name, reference / name)
    for figure in sorted((tables.parent / "figures").rglob("*.svg")):
        if figure.stem in COMMITTED_FIGURES:
            with written_whole(reference / "figures" / figure.parent.name / figure.name) as partial:
                shutil.copyfile(figure, partial)
    write_json(reference / "machine.json", machine.kind())
    write_text(reference / "README.md", REFERENCE_NOTE)


REFERENCE_NOTE = """\
Tables and main figures of a finished run, committed to compare new runs with; `machine.json` says on what kind of
machine it ran, `seconds.csv` how long every job took, and `time_to_bound.csv` what it took to reach a bound.
Written by `python -m workflow.scripts.compare REFERENCE RESULTS --update`, never by hand.
"""


def read_tables(folder: Path) -> pd.DataFrame:
    """All estimates, and after them all certificates."""
    estimates, certificates = read_csv(folder / TABLE), read_csv(folder / CERTIFICATES)
    certificates["estimator"] = "certified: " + certificates["estimator"]
    both = pd.concat([estimates, certificates], ignore_index=True)
    return both.reindex(columns=list(dict.fromkeys([*both.columns, "gap_nats"])))


def report(reference: Path, tables: Path) -> int:
    """Print the comparison; 0 if it passes, 1 if not."""
    expected, got = read_tables(reference), read_tables(tables)
    compared = deviations(expected, got)
    same_machine = read_json(reference / "machine.json") == machine.kind()
    print(f"{len(compared)} rows compared with {reference}")
    worst = compared.sort_values("errors", ascending=False, kind="stable").head(N_WORST)
    print(worst[[*KEYS, "mean_nats_expected", "mean_nats_got", "errors"]].to_string(index=False))
    unequal = compared[~compared["equal"]]
    beyond = compared[compared["errors"] > ALLOWED_ERRORS]
    if len(beyond):
        print(f"FAILED: {len(beyond)} rows are missing, failed, or deviate by more than {ALLOWED_ERRORS:g} errors")
        return 1
    if len(unequal) and same_machine:
        print(f"FAILED: {len(unequal)} rows are not equal, on the kind of machine that made the reference:")
        print(unequal[KEYS].head(N_WORST).to_string(index=False))
        return 1
    print("passed: " + (f"{len(unequal)} rows differ, all within the tolerance" if len(unequal) else "all rows equal"))
    return 0


def deviations(expected: pd.DataFrame, got: pd.DataFrame) -> pd.DataFrame:
    """One row per estimate of either table: whether it is equal, and its deviation in errors (infinite if missing)."""
    spread = expected.groupby(CELL, dropna=False)["mean_nats"].std(ddof=1).rename("seed_std_nats").reset_index()
    both = expected.merge(spread, on=CELL, how="left").merge(
        got, on=KEYS, how="outer", suffixes=("_expected", "_got"), indicator=True
    )
    error = np.hypot(both["standard_error_nats_expected"], both["seed_std_nats"].fillna(0.0))
    errors = (both["mean_nats_got"] - both["mean_nats_expected"]).abs() / error
    same_status = both["status_expected"] == both["status_got"]
    both_failed = same_status & (both["status_expected"] != "ok")
    pairs = [(both[f"{name}_expected"], both[f"{name}_got"]) for name in VALUES]
    equal_values = np.logical_and.reduce([(a == b) | (a.isna() & b.isna()) for a, b in pairs])
    both["equal"] = (both["_merge"] == "both") & same_status & equal_values
    both["errors"] = errors.where(same_status & errors.notna(), np.inf).mask(both["equal"] | both_failed, 0.0)
    return both
