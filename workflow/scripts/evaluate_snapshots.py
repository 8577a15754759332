"""The bounds and the errors by level of one cell at its snapshots, on the way through training."""

import argparse
import json
from pathlib import Path

from workflow.jobs.process import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what evaluation depends on, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--snapshots", required=True, type=Path)
    parser.add_argument("--training", required=True, type=Path, help="the record of training")
    parser.add_argument("--record", required=True, type=Path)
    args = parser.parse_args()
    with job():
        from workflow.jobs import evaluation  # here: torch must find the process set up

        evaluation.run_at_snapshots(args.config, args.hashes, args.data, args.snapshots, args.training, args.record)


if __name__ == "__main__":
    main()
