"""Load one data set, check it, fix its dequantization and write it to one file."""

import argparse
import json
from pathlib import Path

from workflow.jobs.process import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--loader", required=True)
    parser.add_argument("--options", required=True, type=json.loads, help="keywords of the loader, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--record", required=True, type=Path)
    args = parser.parse_args()
    with job():
        from workflow.jobs import preparation  # here: torch must find the process set up

        preparation.run(args.name, args.loader, args.options, args.hashes, args.output, args.record)


if __name__ == "__main__":
    main()
