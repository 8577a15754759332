"""Compare the estimates and certificates of a finished run with a committed reference, cell by cell.

On the same kind of machine (recorded beside the reference) every number must be equal. Elsewhere floating-point sums
differ in their last bits and training amplifies that, so a cell may deviate by up to
5 sqrt(se^2 + seed spread^2). Missing, added and failed cells are deviations too.
"""

import argparse
import hashlib
import platform
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from cdae.computing.files import read_json, write_json, write_text, written_whole
from workflow.scripts import duration
from workflow.scripts.job import job

TABLE, CERTIFICATES = "log_likelihood.csv", "certificates.csv"
KEYS = ["dataset", "model", "kind", "n_levels", "seed", "estimator", "variant", "n_importance_samples"]
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
REFERENCE_FILES = [
    TABLE,
    "summary.csv",
    "summary.md",
    "summary.tex",
    "bound_terms.csv",
    "levels.csv",
    "train_test_gap.csv",
    "training_curve.csv",
    "certificates.csv",
    "certificates.md",
    "published.md",
]
REFERENCE_FIGURES = {"likelihood_by_levels", "by_updates", "parzen_bars", "certified_by_levels"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path, help="folder with committed tables")
    parser.add_argument("results", type=Path, help="results_dir of a finished run")
    parser.add_argument("--update", action="store_true", help="make the run the new reference instead of comparing")
    args = parser.parse_args()
    with job():
        if args.update:
            update(args.reference, args.results / "tables")
            duration.write(args.reference / "seconds.csv", args.results / "benchmarks")
        else:
            sys.exit(report(args.reference, args.results / "tables"))


def update(reference: Path, tables: Path) -> None:
    """Copy the tables and the main figures of a run, and note the kind of machine that made them."""
    read_tables(tables)
    reference.mkdir(parents=True, exist_ok=True)
    for name in REFERENCE_FILES:
        shutil.copyfile(tables / name, reference / name)
    for figure in sorted((tables.parent / "figures").rglob("*.svg")):
        if figure.stem in REFERENCE_FIGURES:
            with written_whole(reference / "figures" / figure.parent.name / figure.name) as partial:
                shutil.copyfile(figure, partial)
    write_json(reference / "machine.json", machine())
    write_text(reference / "README.md", REFERENCE_NOTE)


REFERENCE_NOTE = """\
Tables and main figures of a finished run, committed to compare new runs with; `machine.json` says on what kind of
machine it ran, and `seconds.csv` how long every job took.
Written by `python -m workflow.scripts.compare REFERENCE RESULTS --update`, never by hand.
"""


def machine() -> dict[str, str]:
    """What decides floating-point results: the processor's kind and the versions of the libraries that compute."""
    import torch

    cpu = Path("/proc/cpuinfo")
    fields = dict.fromkeys(("vendor_id", "cpu family", "model", "model name", "flags"), "")
    for line in cpu.read_text().splitlines() if cpu.is_file() else []:
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in fields:
            fields[key] = value
    flags = hashlib.sha256(fields.pop("flags").encode()).hexdigest()[:16]
    software = {"torch": torch.__version__, "numpy": np.__version__, "system": platform.system()}
    return {"processor": " ".join([platform.machine(), *fields.values()]), "processor_flags_sha256": flags, **software}


def read_tables(folder: Path) -> pd.DataFrame:
    """All estimates, and after them all certificates."""
    for path in (folder / TABLE, folder / CERTIFICATES):
        if not path.is_file():
            raise ValueError(f"{path}: no such table; finish the run that makes it first")
    certificates = pd.read_csv(folder / CERTIFICATES)
    certificates["estimator"] = "certified: " + certificates["estimator"].astype(str)
    both = pd.concat([pd.read_csv(folder / TABLE), certificates], ignore_index=True)
    return both.reindex(columns=list(dict.fromkeys([*both.columns, "gap_nats"])))


def report(reference: Path, tables: Path) -> int:
    """Print the comparison; 0 if it passes, 1 if not."""
    expected, got = read_tables(reference), read_tables(tables)
    compared = deviations(expected, got)
    same_machine = read_json(reference / "machine.json") == machine()
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


if __name__ == "__main__":
    main()
