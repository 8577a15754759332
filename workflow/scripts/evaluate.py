"""Run every estimator that fits the model of one cell, and record the rows, the per-example values and the pictures."""

import argparse
import json
from pathlib import Path

from workflow.jobs.process import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what evaluation depends on, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--training", required=True, type=Path, help="the record of training")
    parser.add_argument("--record", required=True, type=Path)
    parser.add_argument("--values", required=True, type=Path)
    parser.add_argument("--pictures", required=True, type=Path)
    parser.add_argument("--kept", required=True, type=Path, help="folder of what is kept for other settings")
    args = parser.parse_args()
    with job():
        from workflow.jobs import evaluation  # here: torch must find the process set up

        inputs = args.data, args.weights, args.training
        evaluation.run(args.config, args.hashes, *inputs, args.record, args.values, args.pictures, args.kept)


if __name__ == "__main__":
    main()
