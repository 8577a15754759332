"""Check a configuration, and start nothing."""

import argparse
import sys
from pathlib import Path

from workflow.grid.cells import cells
from workflow.grid.check import checked
from workflow.grid.config_file import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    try:
        config = checked(read(args.file))
    except ValueError as error:
        sys.exit(f"config: {error}")
    print(f"{args.file}: {len(cells(config))} cells on {len(config['datasets'])} data sets")


if __name__ == "__main__":
    main()
