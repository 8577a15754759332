"""A page of the report: markdown and tables as one HTML file that needs no network, with tables that can be sorted. On
a narrow screen what is wide scrolls within its box: tables, whose first column stays, figures and formulas.

A click on the head of a column sorts its rows, by the first number of a cell where all cells begin with one. The style
holds within `main.page` alone, so that a page can stand inside another one.
"""

import base64
import html
import re
from pathlib import Path

import markdown
import pandas as pd

STYLE = """
main.page {font: 15px/1.5 system-ui, sans-serif; color: #1e293b}
main.page {max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 0.5rem}
main.page.wide {max-width: none}
main.page h1 {font-size: 1.5rem; font-weight: 600; margin: 0.5rem 0}
main.page h2 {font-size: 1.15rem; font-weight: 600; margin: 1.4rem 0 0.4rem}
main.page p, main.page ul {margin: 0.5rem 0; max-width: 62rem}
main.page ul {list-style: disc; padding-left: 1.2rem}
main.page code {background: #f1f5f9; padding: 0 0.2em; font-size: 0.9em; font-weight: normal; overflow-wrap: anywhere}
main.page pre {overflow-x: auto}
main.page code::before, main.page code::after {content: none}
main.page div.rows {overflow-x: auto; max-height: 85vh; border: 1px solid #cbd5e1; margin: 0.5rem 0}
main.page table {border-collapse: collapse; font-size: 13px; margin: 0; width: auto}
main.page th, main.page td {padding: 0.2rem 0.6rem; border-bottom: 1px solid #e2e8f0; text-align: right}
main.page th:first-child, main.page td:first-child {text-align: left; left: 0}
main.page th {position: sticky; top: 0; background: #e2e8f0; cursor: pointer; vertical-align: bottom; text-align: left}
main.page td {white-space: nowrap}
main.page td:first-child {position: sticky; background: #fff}
main.page th:first-child {z-index: 1}
main.page figure {margin: 1rem 0}
main.page figure img {max-width: 100%; height: auto}
main.page figcaption {font-size: 13px; color: #475569}
@media (max-width: 700px) {
  main.page {padding-top: 0.5rem}
  main.page figure {overflow-x: auto}
  main.page figure img {max-width: none}
}
"""
SORT = r"""
const number = text => parseFloat(text.replace(/[*,]/g, ""));
document.querySelectorAll("main.page th").forEach(head => head.onclick = () => {
  const rows = [...head.closest("table").tBodies[0].rows], column = head.cellIndex;
  const cell = row => row.cells[column].textContent.trim();
  const numeric = rows.every(row => !cell(row) || /^\**-?[\d.]/.test(cell(row)));
  const sign = head.dataset.sign = head.dataset.sign === "1" ? -1 : 1;
  const order = (a, b) => numeric ? number(a) - number(b) : a.localeCompare(b);
  rows.sort((a, b) => !cell(a) - !cell(b) || sign * order(cell(a), cell(b)));
  rows.forEach(row => row.parentNode.append(row));
});
"""


def page(*bodies: str, wide: bool = False) -> str:
    """The whole file, of parts in HTML."""
    kind, body = "page wide" if wide else "page", "\n".join(bodies)
    return (
        '<!doctype html>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f'<style>{STYLE}</style>\n<main class="{kind}">\n{body}\n</main>\n<script>{SORT}</script>\n'
    )


def of_markdown(text: str) -> str:
    """A part in HTML, of text in markdown."""
    made = markdown.markdown(text, extensions=["tables", "sane_lists"])
    made = re.sub(r' style="text-align: \w+;"', "", made)
    return made.replace("<table>", '<div class="rows"><table>').replace("</table>", "</table></div>")


def of_table(title: str, frame: pd.DataFrame) -> str:
    """A part in HTML, of a table whose rows are numbered as in its csv file; hashes are cut to 8 letters."""
    short = {name: frame[name].str[:8] for name in frame.columns if name.endswith("_sha256")}
    shown = frame.assign(**short).astype(object).where(frame.notna(), "")
    shown = shown.set_axis(pd.RangeIndex(2, len(frame) + 2, name="row"), axis=0).reset_index()
    body = shown.to_html(index=False, border=0, float_format="{:.6g}".format, classes=[])
    return f'<h2>{html.escape(title)}</h2>\n<div class="rows">{body}</div>'


def of_figure(path: Path, caption: str) -> str:
    """A part in HTML, of a figure in svg with its caption."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    text = html.escape(caption)
    return f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'
