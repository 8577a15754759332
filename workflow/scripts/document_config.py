"""Write the tables of config/README.md anew from the schema of configurations."""

from pathlib import Path

from cdae.computing.files import write_text
from workflow.grid.schema import tables

PAGE = Path(__file__).resolve().parents[2] / "config" / "README.md"
START = "<!-- from here on written by `python -m workflow.scripts.document_config` -->\n"


def page() -> str:
    """The page as it ought to be: what was written by hand, and the tables of the schema below it."""
    by_hand, start, _ = PAGE.read_text(encoding="utf-8").partition(START)
    if not start:
        raise ValueError(f"{PAGE}: got no line {START.strip()!r}, expected it where the tables begin; put it back")
    return by_hand + start + "\n" + tables()


if __name__ == "__main__":
    write_text(PAGE, page())
