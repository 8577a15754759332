"""Write the pages of the report from finished tables and figures."""

import argparse
import json
from pathlib import Path

from cdae.computing.files import write_record, write_text
from workflow.jobs.process import job
from workflow.report.pages import pages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="folder of finished tables")
    parser.add_argument("--figures", required=True, type=Path, help="folder with a folder of figures per data set")
    parser.add_argument("--captions", required=True, type=Path, help="folder of the texts on figures")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--provenance", required=True, type=Path, help="record of the hashes, beside the pages")
    args = parser.parse_args()
    with job():
        for name, text in pages(args.tables, args.figures, args.captions).items():
            write_text(args.provenance.parent / f"{name}.html", text)
        write_record(args.provenance, args.hashes)


if __name__ == "__main__":
    main()
