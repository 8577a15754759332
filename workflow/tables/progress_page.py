"""The page of a run that goes on: the summary of the cells that are done.

It is made of the records that are there, each of which is whole, and of none that other code or another configuration
made. Once all are there it is the summary. Nothing is deleted or mended here: the run that goes on does that.
"""

from pathlib import Path

from workflow.grid.cells import Options
from workflow.grid.provenance import Hashes, foreign
from workflow.tables.tabulation import make

FOLDERS = ("estimates", "snapshots", "certificates", "quality", "classifiers")  # of records, in a results folder
WITH_VALUES = ("estimates", "certificates")


def page(config: Options, wanted: dict[str, Hashes], published: Path, note: str) -> str:
    """The page, in markdown.

    Args:
        config: the whole configuration.
        wanted: the hashes that every record of a finished run has, by its path.
        published: csv of published figures.
        note: how long the rest takes.

    Raises:
        OSError: if a record is made anew just now, or is damaged.
        ValueError: if no cell is evaluated yet.
    """
    results = Path(config["results_dir"])
    done = {folder: finished(results / folder, wanted) for folder in FOLDERS}
    if not done["estimates"]:
        raise ValueError(f"got no evaluated cell in {results}, expected one; wait for it")
    data = [path for name in config["datasets"] if (path := results / "data" / f"{name}.json").is_file()]
    judged = [*done["classifiers"], *done["quality"]]
    made = make(config, data, done["estimates"], done["snapshots"], done["certificates"], published, judged)
    return f"{head(len(done['estimates']), wanted, results, note)}\n\n{made['summary.md']}"


def head(n_done: int, wanted: dict[str, Hashes], results: Path, note: str) -> str:
    n_cells = sum(Path(path).is_relative_to(results / "estimates") for path in wanted)
    return (
        f"**In progress: {n_done} of {n_cells} cells are evaluated.** {note.capitalize()}. What follows is made of "
        "these cells alone: other models may still be better than those that are marked. Reload this page for more."
    )


def finished(folder: Path, wanted: dict[str, Hashes]) -> list[Path]:
    """The records in a folder that are there as they ought to be, in the order of the grid."""
    ours = {path: hashes for path, hashes in wanted.items() if Path(path).is_relative_to(folder)}
    if folder.name in WITH_VALUES:
        ours = {path: hashes for path, hashes in ours.items() if Path(path).with_suffix(".npz").is_file()}
    strange = foreign(ours)
    return [Path(path) for path in ours if path not in strange and Path(path).is_file()]
