"""Print the page of findings from tables alone, of a finished run or of a committed reference."""

import argparse
from pathlib import Path

from workflow.jobs.process import job
from workflow.tables import findings
from workflow.tables.identity import read_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path, help="folder of tables, such as results/reference/paper")
    args = parser.parse_args()
    with job():
        print(page(args.tables), end="")


def page(folder: Path) -> str:
    """The findings of the tables in a folder, in markdown.

    Raises:
        ValueError: if a table is missing.
    """
    return findings.page({name: read_csv(folder / name) for name in findings.TABLES})


if __name__ == "__main__":
    main()
