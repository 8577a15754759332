"""Draw the figures of one data set from its tables and pictures; weights are never read."""

import argparse
import json
from pathlib import Path

from cdae.computing.files import write_record
from workflow.figures.drawers import DRAWERS
from workflow.figures.material import load
from workflow.figures.style import save, use_style
from workflow.jobs.process import job
from workflow.tables.estimators import Mark


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--figures", nargs="+", required=True, help="names of the figures to draw")
    parser.add_argument("--tables", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--pictures", nargs="+", required=True, type=Path)
    parser.add_argument("--marks", required=True, type=json.loads, help="of users' own estimators, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--provenance", required=True, type=Path, help="record of the hashes, beside the figures")
    args = parser.parse_args()
    with job():
        use_style()
        marks = {name: Mark(label, color) for name, (label, color) in args.marks.items()}
        material = load(args.dataset, args.tables, args.data, args.pictures, marks)
        for name in args.figures:
            save(DRAWERS[name](material), args.provenance.parent / name)
        write_record(args.provenance, args.hashes)


if __name__ == "__main__":
    main()
