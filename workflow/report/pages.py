"""All pages of a report by their names: the start, the findings with their figures, and a page for every table."""

import re
from importlib import import_module
from pathlib import Path

from workflow.grid.products import PAGES, TABLES, TEXTS
from workflow.report.page import of_figure, of_markdown, of_table, page
from workflow.report.start import start
from workflow.tables.evidence import Tables
from workflow.tables.identity import read_csv

FIGURES = re.compile(r"<strong>Figures:</strong> (.*?) of <code>([^<]+)</code>")
DESCRIBED_BY = {"ranked_values": "ranking"}  # tables that another one's module makes


def pages(tables: Path, figures: Path, captions: Path) -> dict[str, str]:
    """Every page.

    Args:
        tables: folder of finished tables; figures: folder with a folder per data set.
        captions: folder of the texts on figures.
    """
    frames = {name: read_csv(tables / name) for name in TABLES if name.endswith(".csv")}
    made = {
        "start": page(of_markdown(start(frames))),
        "findings": page(_with_figures(of_markdown(_text(tables / "findings.md")), figures, captions)),
    }
    return made | {name: _of_tables(name, tables, frames) for name in PAGES if name not in TEXTS}


def _of_tables(name: str, tables: Path, frames: Tables) -> str:
    """What a reader is to know, the page in markdown where there is one, and all rows."""
    parts = [of_markdown(_text(tables / f"{name}.md"))] if f"{name}.md" in TABLES else []
    if f"{name}.csv" in TABLES:
        about = import_module(f"workflow.tables.{DESCRIBED_BY.get(name, name)}").__doc__
        parts += [of_markdown(about)] if not parts else []
        parts.append(of_table(f"{name}.csv: all rows", frames[f"{name}.csv"]))
    return page(*parts, wide=True)


def _with_figures(text: str, figures: Path, captions: Path) -> str:
    """The findings, every figure below the line that names it."""

    def below(found: re.Match[str]) -> str:
        names = re.findall("<code>([^<]+)</code>", found[1])
        paths = [figures / found[2] / f"{name}.svg" for name in names]
        shown = [of_figure(path, _text(captions / f"{path.stem}.rst")) for path in paths if path.is_file()]
        return f"{found[0]}.</p>\n{''.join(shown)}\n<p>"

    return FIGURES.sub(below, text).replace("<p>.</p>", "")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
