"""Load one data set, check it, fix its dequantization and write it to one file."""

import argparse
import json

from workflow.scripts.job import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--loader", required=True)
    parser.add_argument("--options", required=True, type=json.loads, help="keywords of the loader, as JSON")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    with job():
        from cdae.data import prepare
        from cdae.datasets.registry import loader

        prepare(loader(args.loader)(**args.options), args.name, args.output)


if __name__ == "__main__":
    main()
