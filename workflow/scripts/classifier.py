"""Train the classifier of one data set and judge its controls, or record why there is none."""

import argparse
import json
from pathlib import Path

from workflow.jobs.process import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what the classifier depends on, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--record", required=True, type=Path)
    args = parser.parse_args()
    with job():
        from workflow.jobs import classification  # here: torch must find the process set up

        classification.run(args.config, args.hashes, args.data, args.weights, args.record)


if __name__ == "__main__":
    main()
