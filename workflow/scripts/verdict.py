"""The last word on a run: fails if any cell is recorded as failed, with the list and the command that retries it."""

import argparse
import sys
from pathlib import Path

from cdae.computing.files import read_json, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", nargs="+", required=True)
    parser.add_argument("--training-records", nargs="+", required=True, help="in the same order")
    parser.add_argument("--certificates", nargs="*", default=[])
    parser.add_argument("--config-files", nargs="*", default=[], help="as given to snakemake")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    failures, retry = [], []
    for record, training in zip(args.records, args.training_records, strict=True):
        failed = failed_rows(record)
        failures += failed
        if failed:
            retry.append(record if read_json(training)["status"] == "ok" else training)
    for certificate in args.certificates:
        failed = failed_rows(certificate)
        failures += failed
        retry += [certificate] if failed else []
    if failures:
        config = "".join(f" --configfile {file}" for file in args.config_files)
        command = f"snakemake --cores all{config} --forcerun {' '.join(retry)}"
        lines = "\n".join(f"  {line}" for line in failures)
        sys.exit(f"{len(failures)} estimates failed; tables and figures show the rest:\n{lines}\nto retry: {command}")
    write_text(Path(args.output), f"all estimates of {len(args.records)} cells succeeded\n")


def failed_rows(record: str) -> list[str]:
    """A line for every estimate of a record that failed."""
    failed = [row for row in read_json(record)["rows"] if row["status"] != "ok"]
    return [f"{record}: {row['estimator']} {row['variant']}: {row['reason']}" for row in failed]


if __name__ == "__main__":
    main()
