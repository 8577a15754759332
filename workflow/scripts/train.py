"""Train the model of one cell, or record why it could not be trained."""

import argparse
import json
from pathlib import Path

from workflow.jobs.process import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what training depends on, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--pilot", nargs="*", default=[], type=Path, help="record of a pilot, and its errors")
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--snapshots", required=True, type=Path)
    parser.add_argument("--record", required=True, type=Path)
    args = parser.parse_args()
    with job():
        from workflow.jobs import training  # here: torch must find the process set up

        made = args.weights, args.snapshots, args.record
        training.run(args.config, args.hashes, args.data, *made, pilot=args.pilot[0] if args.pilot else None)


if __name__ == "__main__":
    main()
