"""All tables of a run, by the names of their files."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cdae.computing.files import read_record, write_text
from workflow.grid.cells import Options
from workflow.grid.provenance import Hashes, foreign
from workflow.grid.record import EvaluationRecord
from workflow.tables import certificates_page, findings, paired_differences, published, stability, summary_page
from workflow.tables.bound_terms import bound_terms
from workflow.tables.cells import read_certified, read_evaluated, read_quality, read_snapshots
from workflow.tables.certificates import certificates, own_bounds, without_simulate
from workflow.tables.denoising import denoising
from workflow.tables.diagnostics import diagnostics
from workflow.tables.gradient_variance import gradient_variances
from workflow.tables.identity import write_csv
from workflow.tables.levels import levels
from workflow.tables.log_likelihood import log_likelihood, per_example_values
from workflow.tables.markup import to_latex, to_markdown
from workflow.tables.mixing import mixing
from workflow.tables.own_cards import cards_of
from workflow.tables.predicted_bounds import predicted_bounds
from workflow.tables.protocol import card
from workflow.tables.ranking import ranked_values, ranking
from workflow.tables.representation import representation
from workflow.tables.sample_quality import sample_quality
from workflow.tables.snapshots import snapshots
from workflow.tables.summary import summarize
from workflow.tables.train_test_gap import train_test_gap


def make(
    config: Options,
    data: list[Path],
    records: list[Path],
    snapshot_records: list[Path],
    certificate_records: list[Path],
    figures: Path,
    quality_records: Sequence[Path] = (),
) -> dict[str, pd.DataFrame | str]:
    """Tables and pages by the names of their files.

    Args:
        config: the whole configuration.
        data: records of the preparation of every data set.
        records: of the evaluation of every cell, in the order of the grid, with their values beside them.
        figures: csv of published figures.
        quality_records: of classifiers, with their controls, and of cells.
    """
    cells = [read_evaluated(path) for path in records]
    ends = [cell.record for cell in cells]
    on_the_way = [record for path in snapshot_records for record in read_snapshots(path)]
    cards = cards_of(config["estimators"])
    long = log_likelihood(cells, cards)
    summary = summarize(long, per_example_values(cells), cards)
    curve, gaps = snapshots(ends, on_the_way), train_test_gap(ends)
    both_sides = [read_certified(path) for path in certificate_records]
    certified = certificates(both_sides, own_bounds(cells), without_simulate(config))
    pairs = paired_differences.paired_differences(both_sides, certified)
    shown = [*certificates_page.sections(certified), *paired_differences.sections(pairs)]
    ours = list(summary_page.sections(summary, curve, certified, gaps, cards))
    between_seeds = stability.stability(long)
    spreads = stability.sections(between_seeds, cards)
    judged = [read_quality(path) for path in quality_records]
    ranked = ranked_values(long, certified)
    loaders = {name: options["loader"] for name, options in config["datasets"].items()}
    others = published.sections(published.read(figures), loaders)
    protocol = card(config, ends, [cell.record for cell in both_sides], notes(data, ends))
    made: dict[str, pd.DataFrame | str] = {
        "log_likelihood.csv": long,
        "summary.csv": summary,
        "summary.md": to_markdown("Log-likelihoods", summary_page.NOTE, [*ours, *spreads], protocol),
        "summary.tex": to_latex(summary_page.NOTE, ours),
        "published.md": to_markdown("Published figures", published.NOTE, others),
        "bound_terms.csv": bound_terms(ends),
        "levels.csv": levels([*ends, *on_the_way]),
        "gradient_variance.csv": gradient_variances(ends),
        "predicted_bounds.csv": predicted_bounds(ends),
        "train_test_gap.csv": gaps,
        "certificates.csv": certified,
        "certificates.md": to_markdown(
            "Certificates", f"{certificates_page.NOTE}\n\n{paired_differences.NOTE}", shown, protocol
        ),
        "paired_differences.csv": pairs,
        "snapshots.csv": curve,
        "stability.csv": between_seeds,
        "diagnostics.csv": diagnostics(ends),
        "sample_quality.csv": sample_quality(judged, long),
        "mixing.csv": mixing(judged),
        "representation.csv": representation(judged),
        "denoising.csv": denoising(judged),
        "ranked_values.csv": ranked,
        "ranking.csv": ranking(ranked),
    }
    frames = {name: frame for name, frame in made.items() if isinstance(frame, pd.DataFrame)}
    return made | {"findings.md": findings.page(frames)}


def refuse_foreign(wanted: dict[str, Hashes]) -> None:
    """No table is made of results that other code or another configuration made.

    Raises:
        ValueError: with the paths of such records.
    """
    if found := foreign(wanted):
        raise ValueError(
            f"{len(found)} records were made by other code or another configuration, such as {found[0]}; to make them "
            f"again: snakemake --forcerun {' '.join(found)}"
        )


def notes(data: list[Path], ends: list[EvaluationRecord]) -> list[str]:
    """Warnings about the user's input, each once, with the data set or model that it is about."""
    of_data = [f"`{path.stem}`: {note}" for path in data for note in read_record(path)["notes"]]
    of_models = [f"`{end.identity.model}` on `{end.identity.dataset}`: {note}" for end in ends for note in end.notes]
    return list(dict.fromkeys([*of_data, *of_models]))


def write(folder: Path, tables: dict[str, pd.DataFrame | str]) -> None:
    """Every table and page as a file of its name."""
    for name, table in tables.items():
        if isinstance(table, str):
            write_text(folder / name, table)
        else:
            write_csv(folder / name, table)
