"""Compare the numbers of a finished run with a committed reference, or make the run the new reference."""

import argparse
import sys
from pathlib import Path

from workflow.grid import costs
from workflow.jobs.process import job
from workflow.tables import comparison


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
        else:
            sys.exit(comparison.report(args.reference, args.results / "tables"))


if __name__ == "__main__":
    main()
