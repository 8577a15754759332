"""Whichever kinds of models fail, and wherever they do: tables, figures and a verdict with its command are made."""

import copy
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import yaml

from cdae import checkpoint
from cdae.computing.arrays import read_npz, write_npz
from cdae.computing.files import write_record
from workflow.figures.drawers import DRAWERS
from workflow.figures.material import load
from workflow.grid import cells as grid
from workflow.grid import products
from workflow.grid.provenance import Records
from workflow.grid.record import FAILED
from workflow.jobs.cell import CellJob
from workflow.jobs.certification import Certification
from workflow.jobs.evaluation import Evaluation
from workflow.jobs.parts import Parts
from workflow.jobs.training import train
from workflow.tables import tabulation
from workflow.tables.verdict import judge

ROOT = Path(__file__).parents[2]
DATASET, REASON = "mixture_2d", "training diverged"
KINDS = ("cdae", "dae", "vae", "control-gaussian")
SUBSETS = [kinds for n in range(len(KINDS) + 1) for kinds in combinations(KINDS, n)]
STAGES = ("training", "evaluation", "certificates")


class Run:
    """The smoke grid on one data set, evaluated and certified within this process, with what fails in its place."""

    def __init__(self, folder: Path, data: Path):
        self.folder, self.data = folder, data
        self.config = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
        self.config["datasets"] = {DATASET: self.config["datasets"][DATASET]}
        self.cells = grid.cells(self.config)
        self.good, self.bad = {}, {}
        for cell in self.cells:
            self.good[cell], self.bad[cell] = self.outcome(cell, failed=False), self.outcome(cell, failed=True)

    def outcome(self, cell, *, failed):
        """Records and arrays of one cell, as its jobs make them."""
        evaluation = Evaluation(CellJob(grid.evaluation_config(self.config, cell)), self.data)
        weights, kept = self.folder / "weights.safetensors", {}
        if failed:
            evaluation.fail_all(FAILED, REASON)
        else:
            model, _ = train(evaluation.cell, self.data, kept)
            checkpoint.save(model, weights)
            evaluation.run(weights)
        found = {"evaluation": (evaluation.record(), evaluation.values, evaluation.pictures)}
        if grid.certified(self.config, cell):
            job = CellJob(grid.certification_config(self.config, cell))
            certification = Certification(job, self.data, Parts(self.folder / "parts", str(failed) + cell.model))
            certification.fail_all(FAILED, REASON) if failed else certification.run(weights)
            found["certification"] = (certification.record(), certification.values)
        return found

    def write(self, folder, failing, stage):
        """Files of a run in which these kinds fail at this stage; the paths that the tables are made from."""
        at, paths = Records(str(folder)), {"records": [], "certificates": [], "training": [], "pictures": []}
        write_record(at.data(DATASET), {"notes": []})
        for cell in self.cells:
            fails = cell.kind in failing
            chosen = self.bad[cell] if fails and stage in ("training", "evaluation") else self.good[cell]
            record, values, pictures = chosen["evaluation"]
            write_record(at.training(cell), {"status": FAILED if fails and stage == "training" else "ok"})
            write_record(at.evaluation(cell), record.to_json())
            write_npz(Path(at.evaluation(cell)).with_suffix(".npz"), values)
            shown = Path(cell.path(str(folder / "pictures"), ".npz"))
            write_npz(shown, pictures)
            paths["records"].append(Path(at.evaluation(cell)))
            paths["training"].append(Path(at.training(cell)))
            paths["pictures"].append(shown)
            if "certification" in chosen:
                certified = (self.bad if fails and stage in ("training", "certificates") else self.good)[cell]
                record, values = certified["certification"]
                write_record(at.certification(cell), record.to_json())
                write_npz(Path(at.certification(cell)).with_suffix(".npz"), values)
                paths["certificates"].append(Path(at.certification(cell)))
        return paths


@pytest.fixture(scope="module")
def run(tmp_path_factory, mixture_2d):
    return Run(tmp_path_factory.mktemp("run"), mixture_2d)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("failing", SUBSETS, ids=lambda kinds: "+".join(kinds) or "none")
def test_tables_figures_and_a_verdict_are_made_of_whatever_has_failed(run, tmp_path, failing, stage):
    paths = run.write(tmp_path, failing, stage)
    data = [Path(Records(str(tmp_path)).data(DATASET))]
    sources = data, paths["records"], [], paths["certificates"], ROOT / "results/reference/published.csv"
    tables = tabulation.make(run.config, *sources)
    assert set(tables) == set(products.TABLES)
    tabulation.write(tmp_path / "tables", tables)

    certifies = {cell.kind for cell in run.cells if grid.certified(run.config, cell)}
    n_failing = sum(cell.kind in failing and (stage != "certificates" or cell.kind in certifies) for cell in run.cells)
    verdict = judge(paths["records"], paths["training"], paths["certificates"])
    assert bool(verdict.failures) == (n_failing > 0)
    if verdict.failures:
        message = verdict.message(["--configfile", "my file.yaml"])
        assert REASON in message and "'my file.yaml'" in message and str(verdict.retry[0]) in message
        long = tables["log_likelihood.csv"] if stage != "certificates" else tables["certificates.csv"]
        assert set(long.loc[long["status"] == FAILED, "reason"]) == {REASON}

    material = load(DATASET, tmp_path / "tables", run.data, paths["pictures"])
    for name in products.figures(run.config):
        figure = DRAWERS[name](material)
        figure.canvas.draw()
        plt.close(figure)


def test_the_failure_of_one_cell_leaves_the_numbers_of_the_others_as_they_are(run, tmp_path):
    def numbers(failing):
        folder = tmp_path / "-".join(("run", *failing))
        paths = run.write(folder, failing, "training")
        sources = [Path(Records(str(folder)).data(DATASET))], paths["records"], [], paths["certificates"]
        table = tabulation.make(run.config, *sources, ROOT / "results/reference/published.csv")["log_likelihood.csv"]
        return table[(table["kind"] == "vae") & (table["status"] == "ok")].reset_index(drop=True)

    assert numbers(("cdae",)).equals(numbers(()))
    assert len(numbers(("vae",))) == 0


def test_good_and_bad_outcomes_differ(run):
    """The test above would hold of anything if nothing failed."""
    for cell in run.cells:
        rows = run.bad[cell]["evaluation"][0].rows
        assert rows and {row.status for row in rows} == {FAILED}
        assert {row.status for row in run.good[cell]["evaluation"][0].rows} == {"ok"}
    assert copy.deepcopy(run.config)["datasets"] == {DATASET: {"loader": DATASET}}
    assert set(read_npz(run.data)) >= {"train", "test"}
