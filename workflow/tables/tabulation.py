"""All tables of a run, by the names of their files."""

from pathlib import Path

import pandas as pd

from cdae.computing.files import write_text
from workflow.grid.cells import Options
from workflow.tables import certificates_page, published, summary_page
from workflow.tables.bound_terms import bound_terms
from workflow.tables.cells import read_certified, read_evaluated, read_snapshots
from workflow.tables.certificates import certificates, own_bounds
from workflow.tables.diagnostics import diagnostics
from workflow.tables.identity import write_csv
from workflow.tables.levels import levels
from workflow.tables.log_likelihood import log_likelihood, per_example_values
from workflow.tables.markup import to_latex, to_markdown
from workflow.tables.protocol import card
from workflow.tables.snapshots import snapshots
from workflow.tables.summary import summarize
from workflow.tables.train_test_gap import train_test_gap


def make(
    config: Options, records: list[Path], snapshot_records: list[Path], certificate_records: list[Path], figures: Path
) -> dict[str, pd.DataFrame | str]:
    """Tables and pages by the names of their files.

    Args:
        config: the whole configuration.
        records: of the evaluation of every cell, in the order of the grid, with their values beside them.
        figures: csv of published figures.
    """
    cells = [read_evaluated(path) for path in records]
    ends = [cell.record for cell in cells]
    on_the_way = [record for path in snapshot_records for record in read_snapshots(path)]
    long = log_likelihood(cells)
    summary = summarize(long, per_example_values(cells))
    curve, gaps = snapshots(ends, on_the_way), train_test_gap(ends)
    certified = certificates([read_certified(path) for path in certificate_records], own_bounds(cells))
    ours = list(summary_page.sections(summary, curve, certified, gaps))
    others = published.sections(published.read(figures), list(dict.fromkeys(long["dataset"])))
    protocol = card(config, ends)
    return {
        "log_likelihood.csv": long,
        "summary.csv": summary,
        "summary.md": to_markdown("Log-likelihoods", summary_page.NOTE, ours, protocol),
        "summary.tex": to_latex(summary_page.NOTE, ours),
        "published.md": to_markdown("Published figures", published.NOTE, others),
        "bound_terms.csv": bound_terms(ends),
        "levels.csv": levels([*ends, *on_the_way]),
        "train_test_gap.csv": gaps,
        "certificates.csv": certified,
        "certificates.md": to_markdown(
            "Certificates", certificates_page.NOTE, certificates_page.sections(certified), protocol
        ),
        "snapshots.csv": curve,
        "diagnostics.csv": diagnostics(ends),
    }


def write(folder: Path, tables: dict[str, pd.DataFrame | str]) -> None:
    """Every table and page as a file of its name."""
    for name, table in tables.items():
        if isinstance(table, str):
            write_text(folder / name, table)
        else:
            write_csv(folder / name, table)
