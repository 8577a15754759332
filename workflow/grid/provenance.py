"""What every result was made by: hashes of its configuration and of its code, and which results are stale.

Snakemake's own memory of parameters can be lost (results that were copied, a deleted `.snakemake`), or be told not to
count. So every record carries the hashes of what made it. A record whose hashes are not the wanted ones is made again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from baselines.own_methods import target_of as own_target_of
from baselines.registry import piloted, target_of
from cdae.computing.files import DamagedFileError, read_record
from cdae.datasets.registry import target_of as loader_target_of
from cdae.import_path import ImportPath, is_import_path
from workflow.grid import cells as grid
from workflow.grid import products, quality
from workflow.grid.cells import Cell, Options, sha256
from workflow.grid.code_hash import code_sha256
from workflow.grid.own_code import NO_CODE, OwnCode, own_code
from workflow.grid.own_estimators import own_estimators
from workflow.grid.record import NOT_RUN

SCRIPTS = "workflow.scripts"
Hashes = dict[str, str]  # config_sha256 and code_sha256


@dataclass(frozen=True)
class Records:
    """Where the record of every stage lies in a results folder."""

    folder: str

    def data(self, dataset: str) -> str:
        return f"{self.folder}/data/{dataset}.json"

    def pilot(self, dataset: str) -> str:
        return f"{self.folder}/pilot/{dataset}.json"

    def training(self, cell: Cell) -> str:
        return cell.path(f"{self.folder}/models", "/training.json")

    def evaluation(self, cell: Cell) -> str:
        return cell.path(f"{self.folder}/estimates", ".json")

    def snapshots(self, cell: Cell) -> str:
        return cell.path(f"{self.folder}/snapshots", ".json")

    def certification(self, cell: Cell) -> str:
        return cell.path(f"{self.folder}/certificates", ".json")

    def classifier(self, dataset: str) -> str:
        return f"{self.folder}/classifiers/{dataset}.json"

    def quality(self, cell: Cell) -> str:
        return cell.path(f"{self.folder}/quality", ".json")

    def tables(self) -> str:
        return f"{self.folder}/tables/provenance.json"

    def figures(self, dataset: str) -> str:
        return f"{self.folder}/figures/{dataset}/provenance.json"

    def figures_of_judged(self, dataset: str) -> str:
        return f"{self.folder}/figures/{dataset}/judged_provenance.json"

    def report(self) -> str:
        return f"{self.folder}/report/provenance.json"


@dataclass(frozen=True)
class Provenance:
    """The hashes of everything that a configuration makes."""

    config: Options

    def of_data(self, dataset: str) -> Hashes:
        """A prepared data set: its loader's keys, the contents of a user's file, and the loader's code."""
        name = self.config["datasets"][dataset]["loader"]
        own = own_code(ImportPath.parse(name)) if is_import_path(name) else NO_CODE
        code = [_code("prepare_data", loader_target_of(name), *own.ours), *own.contents]
        return _hashes([self._data_options(dataset)], code)

    def of_pilot(self, dataset: str) -> Hashes:
        """The pilot of a data set: its settings, the data, and the code of both."""
        config = [grid.pilot_config(self.config, dataset), self._data_options(dataset)]
        return _hashes(config, [self.of_data(dataset)["code_sha256"], _code("pilot")])

    def of_training(self, cell: Cell) -> Hashes:
        return self._of_cell(cell, "train", grid.training_config(self.config, cell))

    def of_evaluation(self, cell: Cell) -> Hashes:
        """With the code of the users' own estimators that run on the cell."""
        own = [own_code(found.target) for _, found in own_estimators(self.config["estimators"], cell.kind)]
        return self._of_cell(cell, "evaluate", grid.evaluation_config(self.config, cell), own)

    def of_snapshots(self, cell: Cell) -> Hashes:
        return self._of_cell(cell, "evaluate_snapshots", grid.snapshots_config(self.config, cell))

    def of_certification(self, cell: Cell) -> Hashes:
        return self._of_cell(cell, "certify", grid.certification_config(self.config, cell))

    def of_classifier(self, dataset: str) -> Hashes:
        """The classifier of a data set, and its controls: its settings, the data, and the code of both."""
        config = [quality.classifier_config(self.config, dataset), self._data_options(dataset)]
        return _hashes(config, [self.of_data(dataset)["code_sha256"], _code("classifier")])

    def of_quality(self, cell: Cell) -> Hashes:
        """With the code of the classifier; its settings are among the cell's own."""
        found = self._of_cell(cell, "quality", quality.quality_config(self.config, cell))
        return found | {"code_sha256": sha256([found["code_sha256"], self.of_classifier(cell.dataset)["code_sha256"]])}

    def of_tables(self) -> Hashes:
        """All tables: the whole configuration but for the folders of this machine, and the code of tables."""
        return self._of_tables

    @cached_property
    def _of_tables(self) -> Hashes:
        cells = [self.of_evaluation(cell) for cell in grid.cells(self.config)]
        return _hashes([grid.portable(self.config), cells], [code_sha256(f"{SCRIPTS}.tabulate", ())])

    def of_figures(self) -> Hashes:
        """The figures of a data set."""
        return _hashes([self.of_tables(), products.figures(self.config)], [_code("plot")])

    def of_figures_of_judged(self) -> Hashes:
        """Those that data sets whose samples are judged have besides."""
        return _hashes([self.of_tables(), products.figures_of_judged(self.config)], [_code("plot")])

    def of_report(self) -> Hashes:
        """The pages of the report."""
        return _hashes([self.of_figures(), self.of_figures_of_judged(), products.PAGES], [_code("report")])

    def of_records(self) -> dict[str, Hashes]:
        """The hashes that the record of every cell's estimates ought to have, by its path."""
        return self._of_records

    @cached_property
    def _of_records(self) -> dict[str, Hashes]:
        at, all_cells = Records(self.config["results_dir"]), grid.cells(self.config)
        wanted = {at.evaluation(cell): self.of_evaluation(cell) for cell in all_cells}
        for cell in all_cells:
            if grid.snapshots(self.config, cell):
                wanted[at.snapshots(cell)] = self.of_snapshots(cell)
            if grid.certified(self.config, cell):
                wanted[at.certification(cell)] = self.of_certification(cell)
            if quality.judged(self.config, cell):
                wanted[at.quality(cell)] = self.of_quality(cell)
        classifiers = {at.classifier(name): self.of_classifier(name) for name in quality.classified(self.config)}
        return wanted | classifiers

    def of_everything(self) -> dict[str, Hashes]:
        """The same for the records of everything that a run makes."""
        at, names = Records(self.config["results_dir"]), list(self.config["datasets"])
        return {
            **{at.data(name): self.of_data(name) for name in names},
            **{at.pilot(name): self.of_pilot(name) for name in grid.pilots(self.config)},
            **{at.training(cell): self.of_training(cell) for cell in grid.cells(self.config)},
            **self.of_records(),
            at.tables(): self.of_tables(),
            **{at.figures(name): self.of_figures() for name in names},
            **{at.figures_of_judged(name): self.of_figures_of_judged() for name in quality.classified(self.config)},
            at.report(): self.of_report(),
        }

    def _of_cell(self, cell: Cell, script: str, job_config: Options, others: Sequence[OwnCode] = ()) -> Hashes:
        """A cell's job: its configuration, data, and samples or weights, and the code of all jobs that it builds on.

        Args:
            others: code of users that this job runs, and training does not.
        """
        own = own_code(own_target_of(cell.kind)) if is_import_path(cell.kind) else NO_CODE
        targets = (target_of(cell.kind), *own.ours)
        data, options = self.of_data(cell.dataset), job_config["options"]
        contents = contents_sha256(options.get("path", options.get("weights")))
        theirs = [module for other in others for module in other.ours]
        code = [data["code_sha256"], _code("train", *targets), _code(script, *targets, *theirs), *own.contents]
        code += [contents for other in others for contents in other.contents]
        if (chooser := piloted(options)) is not None:
            code += [self.of_pilot(cell.dataset)["code_sha256"], _code("train", chooser)]
        return _hashes([job_config, self._data_options(cell.dataset), contents], code)

    def _data_options(self, dataset: str) -> Options:
        options = {key: value for key, value in self.config["datasets"][dataset].items() if key != "seeds"}
        return {**options, "contents": contents_sha256(options.get("path"))}


def _hashes(config: list[Any], code: list[str]) -> Hashes:
    return {"config_sha256": sha256(config), "code_sha256": sha256(code)}


def _code(script: str, *targets: str) -> str:
    return code_sha256(f"{SCRIPTS}.{script}", targets)


@cache
def contents_sha256(path: str | None) -> str | None:
    """Hash of a user's file, or of the files in a folder, whatever their dates; None where there is none (yet)."""
    if path is None or not Path(path).exists():
        return None
    if Path(path).is_dir():
        return sha256([[file.name, contents_sha256(str(file))] for file in sorted(Path(path).iterdir())])
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stale(wanted: dict[str, Hashes]) -> list[str]:
    """The records, of those that exist, whose jobs must run again: `foreign` ones, and what the machine could not do.

    Args:
        wanted: the hashes that every record ought to have, by its path.
    """
    strange = foreign(wanted)
    existing = [path for path in wanted if path not in strange and Path(path).is_file()]
    return strange + [path for path in existing if read_record(path).get("status") == NOT_RUN]


def foreign(wanted: dict[str, Hashes]) -> list[str]:
    """The records, of those that exist, that other code or another configuration made, or that cannot be read."""
    return [path for path, hashes in wanted.items() if Path(path).is_file() and not _is_of(Path(path), hashes)]


def _is_of(path: Path, hashes: Hashes) -> bool:
    try:
        record = read_record(path)
    except DamagedFileError:
        return False
    return all(record.get(name) == value for name, value in hashes.items())
