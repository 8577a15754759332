"""Compare the numbers of a finished run with a committed reference, or make the run the new reference."""

import argparse
import sys
from pathlib import Path

from workflow.grid import costs
from workflow.jobs.process import job
from workflow.tables import comparison
from workflow.tables.identity import read_csv, write_csv
from workflow.tables.time_to_bound import time_to_bound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path, help="folder with committed tables")
    parser.add_argument("results", type=Path, help="results_dir of a finished run")
    parser.add_argument("--update", action="store_true", help="make the run the new reference instead of comparing")
    args = parser.parse_args()
    with job():
        if args.update:
            comparison.update(args.reference, args.results / "tables")
            costs.write(args.reference / "seconds.csv", args.results / "benchmarks")
            write_times(args.reference)
        else:
            sys.exit(comparison.report(args.reference, args.results / "tables"))


def write_times(reference: Path) -> None:
    """What bounds cost, from the tables and the costs that the reference has by now."""
    snapshots, long = (read_csv(reference / name) for name in ("snapshots.csv", "log_likelihood.csv"))
    write_csv(reference / "time_to_bound.csv", time_to_bound(snapshots, long, costs.read(reference / "seconds.csv")))


if __name__ == "__main__":
    main()
