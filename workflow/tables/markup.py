"""Tables of text cells as markdown and as LaTeX (booktabs); strong text stands between double asterisks."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Section:
    """A table of text cells under a title; its first column is left-aligned.

    Attributes:
        sentences: that follow the table in markdown.
    """

    title: str
    table: pd.DataFrame
    sentences: tuple[str, ...] = ()


def to_markdown(title: str, note: str, tables: Iterable[Section], protocol: str = "") -> str:
    """All tables under one heading, and the protocol that they were made by."""
    parts = [f"# {title}", note]
    for section in tables:
        header = [list(section.table.columns), ["---", *["---:"] * (len(section.table.columns) - 1)]]
        lines = ["| " + " | ".join(cells) + " |" for cells in [*header, *section.table.to_numpy().tolist()]]
        parts += [f"## {section.title}", "\n".join(lines)]
        if section.sentences:
            parts.append("\n".join(f"- {sentence}" for sentence in section.sentences))
    if protocol:
        parts += ["## Protocol", protocol]
    return "\n\n".join(parts) + "\n"


def to_latex(note: str, tables: list[Section]) -> str:
    """The same tables with booktabs rules."""
    parts = ["% " + note]
    for section in tables:
        rows = [_latex_row(cells) for cells in section.table.to_numpy().tolist()]
        parts.append(
            "\\begin{table}\n\\centering\n"
            f"\\caption{{{_escape(section.title)}; nats per example.}}\n"
            f"\\begin{{tabular}}{{l{'r' * (len(section.table.columns) - 1)}}}\n\\toprule\n"
            + "\n".join([_latex_row(list(section.table.columns)), "\\midrule", *rows])
            + "\n\\bottomrule\n\\end{tabular}\n\\end{table}"
        )
    return "\n\n".join(parts) + "\n"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(text: str) -> str:
    if text.startswith("**"):
        return rf"\textbf{{{_latex_cell(text.strip('*'))}}}"
    text = _escape(text)
    for sign, command in [("±", r"$\pm$"), ("≤", r"$\le$"), ("≥", r"$\ge$"), ("†", r"$\dagger$"), ("‡", r"$\ddagger$")]:
        text = text.replace(sign, command)
    return text


def _escape(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%").replace("&", r"\&")
