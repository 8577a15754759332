"""Make the page of a run that goes on, of the cells that are done. The run itself starts this, and waits for nothing.

Standard input has the whole configuration and the hashes of all records, as one JSON list.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from cdae.computing.files import write_text
from workflow.tables import progress_page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", required=True, type=Path, help="csv of published figures")
    parser.add_argument("--note", required=True, help="how long the rest takes")
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    os.nice(5)  # the jobs come first
    config, wanted = json.load(sys.stdin)
    try:
        write_text(args.output, progress_page.page(config, wanted, args.published, args.note))
    except (OSError, ValueError) as error:  # what is made anew just now; the next page has it
        sys.exit(f"no page: {error}")


if __name__ == "__main__":
    main()
