"""Whichever kinds of models fail, and wherever they do: tables, figures and a verdict with its command are made."""

from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import yaml

from cdae import checkpoint
from cdae.computing.arrays import write_npz
from cdae.computing.files import read_record, write_record
from workflow.figures.drawers import DRAWERS
from workflow.figures.material import load
from workflow.grid import cells as grid
from workflow.grid import products
from workflow.grid.provenance import Records, stale
from workflow.grid.record import FAILED, NOT_RUN
from workflow.jobs import evaluation, training
from workflow.jobs.cell import CellJob
from workflow.jobs.certification import Certification
from workflow.jobs.evaluation import Evaluation
from workflow.jobs.parts import Parts
from workflow.jobs.process import job
from workflow.jobs.training import train
from workflow.tables import tabulation
from workflow.tables.cells import read_snapshots
from workflow.tables.verdict import judge

ROOT = Path(__file__).parents[2]
DATASET, REASON = "mixture_2d", "training diverged"
KINDS = ("cdae", "dae", "vae", "control-gaussian")
SUBSETS = [kinds for n in range(len(KINDS) + 1) for kinds in combinations(KINDS, n)]
CERTIFIED = {"cdae", "vae"}
CASES = [(stage, kinds) for stage in ("training", "evaluation") for kinds in SUBSETS]
CASES += [("certificates", kinds) for kinds in SUBSETS if set(kinds) <= CERTIFIED]
OF_PICTURES = {"samples", "chain_from_prior", "reconstructions"}  # figures that a failed certificate leaves as they are


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
        cell_job = CellJob(grid.evaluation_config(self.config, cell))
        chosen = [0.3, 1.2] if grid.needs_pilot(self.config, cell) else None
        evaluation = Evaluation(cell_job.with_levels(chosen), self.data)
        weights, kept = self.folder / "weights.safetensors", {}
        if failed:
            evaluation.fail_all(FAILED, REASON)
        else:
            model, _ = train(evaluation.cell, self.data, kept)
            checkpoint.save(model, weights)
            evaluation.run(weights)
        found = {"evaluation": (evaluation.record(), evaluation.values, evaluation.pictures)}
        if grid.certified(self.config, cell):
            job = CellJob(grid.certification_config(self.config, cell)).with_levels(chosen)
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


@pytest.mark.parametrize(
    ("stage", "failing"), CASES, ids=lambda part: part if isinstance(part, str) else "+".join(part)
)
def test_tables_figures_and_a_verdict_are_made_of_whatever_has_failed(run, tmp_path, failing, stage):
    paths = run.write(tmp_path, failing, stage)
    data = [Path(Records(str(tmp_path)).data(DATASET))]
    sources = data, paths["records"], [], paths["certificates"], ROOT / "results/reference/published.csv"
    tables = tabulation.make(run.config, *sources)
    assert set(tables) == set(products.TABLES)
    tabulation.write(tmp_path / "tables", tables)

    verdict = judge(paths["records"], paths["training"], paths["certificates"], [])
    assert bool(verdict.failures) == bool(failing)
    if verdict.failures:
        message = verdict.message(["--configfile", "my file.yaml"])
        assert REASON in message and "'my file.yaml'" in message and str(verdict.retry[0]) in message
        long = tables["log_likelihood.csv"] if stage != "certificates" else tables["certificates.csv"]
        assert set(long.loc[long["status"] == FAILED, "reason"]) == {REASON}

    material = load(DATASET, tmp_path / "tables", run.data, paths["pictures"])
    for name in products.figures_of(run.config, DATASET):
        if stage != "certificates" or name not in OF_PICTURES:
            figure = DRAWERS[name](material)
            figure.draw_without_rendering()
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
    """The tests above would hold of anything if nothing failed."""
    assert {cell.kind for cell in run.cells if grid.certified(run.config, cell)} == CERTIFIED
    for cell in run.cells:
        rows = run.bad[cell]["evaluation"][0].rows
        assert rows and {row.status for row in rows} == {FAILED}
        assert {row.status for row in run.good[cell]["evaluation"][0].rows} == {"ok"}


def out_of_memory(*args, **kwargs):
    raise MemoryError("12 GiB")


def test_a_cell_that_needs_too_much_memory_is_not_run_and_the_others_have_their_tables(run, tmp_path, monkeypatch):
    """It is no failure of the model: its record is stale, so that the next run tries it again."""
    cell = next(cell for cell in run.cells if cell.kind == "vae")
    monkeypatch.setattr(Evaluation, "run", out_of_memory)
    monkeypatch.setattr(Certification, "run", out_of_memory)
    evaluation = Evaluation(CellJob(grid.evaluation_config(run.config, cell)), run.data)
    evaluation.run_all(run.folder / "weights.safetensors")
    job = CellJob(grid.certification_config(run.config, cell))
    certification = Certification(job, run.data, Parts(run.folder / "parts", "memory"))
    certification.run_all(run.folder / "weights.safetensors")
    assert {row.status for row in [*evaluation.rows, *certification.rows]} == {NOT_RUN}

    paths = run.write(tmp_path, (), "training")
    at = Records(str(tmp_path))
    write_record(at.evaluation(cell), evaluation.record().to_json())
    write_record(at.certification(cell), certification.record().to_json())
    sources = [Path(at.data(DATASET))], paths["records"], [], paths["certificates"]
    tables = tabulation.make(run.config, *sources, ROOT / "results/reference/published.csv")
    line = next(line for line in tables["summary.md"].splitlines() if line.startswith("| vae |"))
    assert "not run" in line and "failed" not in line
    verdict = judge(paths["records"], paths["training"], paths["certificates"], [])
    assert all("needs more memory than there is (12 GiB)" in failure for failure in verdict.failures)
    assert verdict.failures and stale({at.evaluation(cell): {}, at.certification(cell): {}}) != []


def test_a_training_that_needs_too_much_memory_is_not_run(run, tmp_path, monkeypatch):
    cell = next(cell for cell in run.cells if cell.kind == "vae")
    monkeypatch.setattr("workflow.jobs.training.train", out_of_memory)
    files = [tmp_path / name for name in ("weights", "snapshots", "training.json")]
    config = grid.training_config(run.config, cell)
    training.run(config, {"code_sha256": "a"}, run.data, *files)
    record = read_record(files[-1])
    assert record["status"] == NOT_RUN and "needs more memory" in record["reason"]
    assert stale({str(files[-1]): {"code_sha256": "a"}}) == [str(files[-1])]


def test_snapshots_that_need_too_much_memory_are_not_run(run, tmp_path, monkeypatch):
    cell = next(cell for cell in run.cells if cell.kind == "cdae")
    monkeypatch.setattr("workflow.jobs.evaluation.at_snapshots", out_of_memory)
    record = tmp_path / "snapshots.json"
    config, trained = grid.evaluation_config(run.config, cell), tmp_path / "training.json"
    write_record(trained, {})
    evaluation.run_at_snapshots(config, {"code_sha256": "a"}, run.data, tmp_path / "none", trained, record)
    assert read_record(record)["status"] == NOT_RUN and read_snapshots(record) == []
    assert stale({str(record): {"code_sha256": "a"}}) == [str(record)]


def test_a_job_without_enough_memory_ends_in_one_line(capsys):
    with pytest.raises(SystemExit, match=r"error: it needs more memory than there is \(12 GiB\)"), job():
        out_of_memory()
