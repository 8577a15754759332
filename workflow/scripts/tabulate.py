"""Make every table from the records and the per-example values of all cells. No times and no hosts stand in them."""

import argparse
import json
from pathlib import Path

from cdae.computing.files import write_record
from workflow.jobs.process import job
from workflow.tables import tabulation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", nargs="+", required=True, type=Path)
    parser.add_argument("--snapshots", nargs="*", default=[], type=Path, help="records of cells at their snapshots")
    parser.add_argument("--certificates", nargs="*", default=[], type=Path)
    parser.add_argument("--quality", nargs="*", default=[], type=Path, help="records of classifiers and of cells")
    parser.add_argument("--data", nargs="+", required=True, type=Path, help="records of the data sets")
    parser.add_argument("--published", required=True, type=Path, help="csv of published figures")
    parser.add_argument("--config", required=True, type=json.loads, help="the whole configuration, as JSON")
    parser.add_argument("--wanted", required=True, type=json.loads, help="hashes of every record, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--output-dir", required=True, type=Path)
    args = parser.parse_args()
    with job():
        tabulation.refuse_foreign(args.wanted)
        records = args.data, args.records, args.snapshots, args.certificates
        made = tabulation.make(args.config, *records, args.published, args.quality)
        tabulation.write(args.output_dir, made)
        write_record(args.output_dir / "provenance.json", args.hashes)


if __name__ == "__main__":
    main()
