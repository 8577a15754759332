"""Fail if any cell is recorded as failed, with the list and the command that tries it again."""

import argparse
import json
import sys
from pathlib import Path

from cdae.computing.files import write_text
from workflow.jobs.process import job
from workflow.tables.verdict import judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", nargs="+", required=True, type=Path)
    parser.add_argument("--training-records", nargs="+", required=True, type=Path, help="in the same order")
    parser.add_argument("--certificates", nargs="*", default=[], type=Path)
    parser.add_argument("--snapshots", nargs="*", default=[], type=Path)
    parser.add_argument("--quality", nargs="*", default=[], type=Path, help="records of classifiers and of cells")
    parser.add_argument("--arguments", required=True, type=json.loads, help="of this run's snakemake, as a JSON list")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    with job():
        verdict = judge(args.records, args.training_records, args.certificates, args.snapshots, args.quality)
        if verdict.failures:
            sys.exit(verdict.message(args.arguments))
        write_text(args.output, f"all estimates of {len(args.records)} cells succeeded\n")


if __name__ == "__main__":
    main()
