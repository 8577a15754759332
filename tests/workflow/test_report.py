"""Pages of the report: whole without a network, tables numbered as their files, and a start made of tables."""

import re

import pandas as pd
import pytest

from tests.workflow.conftest import ROOT
from tests.workflow.records import CELL
from tests.workflow.test_findings import reference, tables
from workflow.grid.products import PAGES, TABLES
from workflow.report import page as pages_of
from workflow.report.pages import pages
from workflow.report.start import HEADLINE, MOST_FAILURES, NO_HEADLINE, WITH_STATUS, start
from workflow.tables import findings, snapshots
from workflow.tables.identity import read_csv, table, write_csv

FRAME = pd.DataFrame({"model": ["a", "b<i>"], "value": [1.5, None], "code_sha256": ["0123456789", "9876543210"]})
REFERENCE = ROOT / "results/reference/default"
FROM_ELSEWHERE = r'(?:src|href)="(?!data:)|@import|url\('


def known():
    """Tables with a status in every one that has such a column; nothing failed."""
    frames = tables() | {"snapshots.csv": table([], snapshots.COLUMNS)}
    return frames | {"log_likelihood.csv": frames["log_likelihood.csv"].assign(status="ok")}


def test_a_row_has_the_number_that_it_has_in_its_file(tmp_path):
    write_csv(tmp_path / "t.csv", FRAME)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    cells = re.findall(r"<td>(.*?)</td>", pages_of.of_table("t", FRAME))
    assert cells[:4] == ["2", "a", "1.5", "01234567"] and cells[4:] == ["3", "b&lt;i&gt;", "", "98765432"]
    assert lines[int(cells[0]) - 1].startswith("a,") and lines[int(cells[4]) - 1].startswith("b<i>,")


def test_markdown_and_figures_become_parts_that_need_no_other_file(tmp_path):
    (tmp_path / "f.svg").write_text("<svg/>")
    text = pages_of.of_markdown("# T\n\n| a | b |\n| --- | ---: |\n| 1 | **2** |")
    whole = pages_of.page(text, pages_of.of_figure(tmp_path / "f.svg", "x < y"))
    assert "<h1>T</h1>" in whole and "<strong>2</strong>" in whole and 'class="rows"><table>' in whole
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in whole and "x &lt; y" in whole
    assert not re.findall(FROM_ELSEWHERE, whole)


def test_the_start_says_what_was_run_with_what_success_the_headline_and_the_answers():
    text = start(known())
    assert "1 models and controls on `mnist`, with 1 seed(s)." in text and "Pages were written on" in text
    assert "| mnist | cascade | cdae, k = 4 | 104.00 ± 2.00 (gap 4.50 ± 0.25) |" in text
    assert "| mnist | variational auto-encoder | vae | 90.50 ± 2.00 (gap 4.50 ± 0.25) |" in text
    assert "All 20 estimates succeeded." in text
    for claim in findings.CLAIMS:
        answer = findings.answer(claim, dict(findings.by_dataset(known()))).removeprefix("**Answer:** ")
        assert f"**{claim.title}.** {answer}" in text


def test_the_headline_has_daggers_and_models_of_a_users():
    frames = known()
    certified = frames["certificates.csv"].assign(claim="bound, not converged", extrapolates=True)
    exact = CELL | {"model": "flow", "kind": "own", "n_levels": None, "estimator": "exact", "mean_nats": 250.0}
    exact |= {"standard_error_nats": 1.0, "status": "ok", "split": "test"}
    long = frames["log_likelihood.csv"].to_dict("records")
    long = table([*long, exact], frames["log_likelihood.csv"].columns)
    text = start(frames | {"certificates.csv": certified, "log_likelihood.csv": long})
    assert "| mnist | cascade | cdae, k = 4 | 104.00 ± 2.00 (gap 4.50 ± 0.25) † ‡ |" in text
    assert "| mnist | by import path | flow | exact: 250.00 ± 1.00 |" in text


def test_a_run_without_tightest_bounds_has_no_headline_and_says_so():
    frames = known()
    text = start(frames | {"certificates.csv": frames["certificates.csv"].iloc[:0]})
    assert NO_HEADLINE in text and "The headline" not in text and HEADLINE not in text


def test_the_start_names_what_failed_and_counts_the_rest():
    frames = known()
    n = sum(len(frames[name]) for name in WITH_STATUS)
    assert n > MOST_FAILURES
    text = start(frames | {name: frames[name].assign(status="failed") for name in WITH_STATUS})
    assert f"{n} of {n} estimates failed:" in text and f"- and {n - MOST_FAILURES} more" in text
    assert "- `certificates.csv`: `cdae, k = 2` on `mnist`: failed" in text and "succeeded" not in text


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The pages of the committed default, with a figure in the place of every one that the findings show."""
    folder = tmp_path_factory.mktemp("report")
    for name in TABLES:
        frame = None if not name.endswith(".csv") else read_csv(REFERENCE / name)
        if frame is not None:
            write_csv(folder / name, frame)
        else:
            (folder / name).write_text((REFERENCE / name).read_text())
    (folder / "findings.md").write_text(findings.page(reference("default")))
    for claim in findings.CLAIMS:
        for name in claim.figures:
            (folder / "digits").mkdir(exist_ok=True)
            (folder / "digits" / f"{name}.svg").write_text(f"<svg>{name}</svg>")
            (folder / f"{name}.rst").write_text(f"caption of {name}")
    return pages(folder, folder, folder)


def test_every_page_is_made_and_needs_no_network(committed):
    assert tuple(committed) == PAGES
    for text in committed.values():
        assert text.startswith("<!doctype html>") and not re.findall(FROM_ELSEWHERE, text)


def test_what_is_wide_scrolls_within_its_box(committed):
    """Every table has such a box, and so have formulas in the style."""
    for text in committed.values():
        assert text.count("<table") == text.count('<div class="rows"><table')
        assert "main.page div.rows {overflow-x: auto" in text and "main.page pre {overflow-x: auto}" in text
        assert "main.page figure {overflow-x: auto}" in text


def test_the_page_of_findings_shows_the_figures_that_it_names(committed):
    shown = re.findall("<figcaption>caption of (.*?)</figcaption>", committed["findings"])
    assert shown == [name for claim in findings.CLAIMS for name in claim.figures]
    assert "<p>.</p>" not in committed["findings"]


def test_a_page_of_a_table_says_what_its_rows_are_or_has_the_page_in_markdown(committed):
    assert "The table of representations" in committed["representation"]
    assert "Which estimator ranks models right" in committed["ranked_values"]
    assert committed["summary"].count("<table>") > 3 and "summary.csv: all rows" in committed["summary"]
    n_rows = len(reference("default")["mixing.csv"])
    assert committed["mixing"].count("<tr>") == n_rows and f"<td>{n_rows + 1}</td>" in committed["mixing"]
