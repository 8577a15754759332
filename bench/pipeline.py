"""The pipeline itself: memory of its jobs, what a job and a finished grid cost, what a second core is worth; GPUs."""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.quantities import Measured
from bench.timing import child_cpu_seconds, medians
from bench.workbench import ROOT, Workbench
from cdae.computing.files import write_record, write_text
from workflow.grid import cells as grid
from workflow.grid import duration
from workflow.grid.check import checked
from workflow.grid.config_file import read
from workflow.grid.provenance import Provenance

SOURCES = ["Snakefile", "workflow", "cdae", "baselines", "config", "profiles", "environment.yml", "results/reference"]
SECONDS = ROOT / "results" / "reference" / "paper" / "seconds.csv"
BENCHMARKS = ROOT / "results" / "paper" / "benchmarks"
KEPT = "kept"
EVALUATED = ("record", "values", "pictures", KEPT)  # what an evaluation writes


def memory(bench: Workbench) -> dict[str, Measured]:
    """The largest job on MNIST of the committed run, or else of the run that is here."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, where = SECONDS, "the committed run of config/paper.yaml"
        if not seconds.is_file() and BENCHMARKS.is_dir():
            seconds, where = Path(folder) / "seconds.csv", "the run of config/paper.yaml in results/"
            duration.write(seconds, BENCHMARKS)
        return {"memory": largest(seconds, where)}


def largest(seconds: Path, where: str) -> Measured:
    """The job with the highest peak in a file that `duration` wrote, in GB."""
    if not seconds.is_file():
        return Measured(None, "no run of config/paper.yaml is committed or in results/")
    with seconds.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["peak_megabytes"] and row["dataset"] == "mnist"]
    if not rows:
        return Measured(None, f"no job on MNIST in {where}")
    row = max(rows, key=lambda row: float(row["peak_megabytes"]))
    return Measured(float(row["peak_megabytes"]) / 1_000.0, f"{row['job']} {row['model']}, in {where}")


@contextmanager
def scratch_copy() -> Iterator[Path]:
    """A copy of the sources to run the pipeline in, which is removed again."""
    with tempfile.TemporaryDirectory() as folder:
        for name in SOURCES:
            source, target = ROOT / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        yield Path(folder)


def snakemake(*arguments: str) -> list[str]:
    return ["-m", "snakemake", "--configfile", "config/config.yaml", *arguments]


def again(bench: Workbench) -> dict[str, Measured]:
    """The default grid, finished: its files are empty here but for the records, whose hashes are looked at."""
    with scratch_copy() as folder:
        finish(folder)
        tasks = {"again": lambda: child_cpu_seconds(snakemake("--cores", "1"), folder)}
        seconds = medians(tasks, bench.n_repeats)["again"]
    note = "the whole process, much of it importing snakemake, in a copy whose results are empty but for their records"
    return {"again": Measured(seconds, note)}


def finish(folder: Path) -> None:
    """Make every file of the default grid, and let snakemake note them as done."""
    for row in csv.DictReader(said(folder, "--summary").splitlines(), delimiter="\t"):
        write_text(folder / row["output_file"], "")
    for path, hashes in Provenance(checked(read(ROOT / "config" / "config.yaml"))).of_everything().items():
        write_record(folder / path, hashes)
    said(folder, "--cores", "1", "--touch")
    left = said(folder, "--dry-run")
    assert "Nothing to be done" in left, left


def said(folder: Path, *arguments: str) -> str:
    """What snakemake prints."""
    command = [sys.executable, *snakemake(*arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def job(bench: Workbench) -> dict[str, Measured]:
    """An evaluation of next to nothing over importing torch, both as processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = tiny_evaluation(Path(folder))
        tasks = {
            "job": lambda: evaluation_seconds(arguments, Path(folder)),
            "torch": lambda: child_cpu_seconds(["-c", "import torch"], ROOT),
        }
        seconds = medians(tasks, bench.n_repeats)
    note = f"evaluation of a Gaussian in 2 dimensions {seconds['job']:.2f} s, import torch {seconds['torch']:.2f} s"
    note += "; a job puts off garbage collection until it has imported torch"
    return {"job": Measured(seconds["job"] / seconds["torch"], note)}


def evaluation_seconds(arguments: list[str], folder: Path) -> float:
    """CPU seconds of that evaluation from nothing: estimates that an earlier one has kept are removed."""
    shutil.rmtree(folder / KEPT, ignore_errors=True)
    return child_cpu_seconds(arguments, ROOT)


def tiny_evaluation(folder: Path) -> list[str]:
    """Prepares and trains the smallest cell of config/smoke.yaml, and answers the arguments of its evaluation."""
    config = read(ROOT / "config" / "smoke.yaml")
    cell = next(c for c in grid.cells(config) if (c.dataset, c.family) == ("mixture_2d", "gaussian"))
    files = {name: str(folder / name) for name in ("data", "weights", "training", *EVALUATED)}
    files |= {"data": f"{files['data']}.npz", "snapshots": str(folder / "snapshots")}
    prepare = ["--name", "mixture_2d", "--loader", "mixture_2d", "--options", "{}", "--output", files["data"]]
    prepare += ["--hashes", "{}", "--record", str(folder / "data.json")]
    child_cpu_seconds(["-m", "workflow.scripts.prepare_data", *prepare], ROOT)
    train = [*options(files, "data", "weights", "snapshots"), "--record", files["training"]]
    train += ["--config", grid.canonical(grid.training_config(config, cell)), "--hashes", "{}"]
    child_cpu_seconds(["-m", "workflow.scripts.train", *train], ROOT)
    evaluate = options(files, "data", "weights", "training", *EVALUATED)
    hashes = grid.canonical({"config_sha256": "", "code_sha256": ""})
    evaluate += ["--config", grid.canonical(grid.evaluation_config(config, cell)), "--hashes", hashes]
    return ["-m", "workflow.scripts.evaluate", *evaluate]


def options(files: dict[str, str], *names: str) -> list[str]:
    return [text for name in names for text in (f"--{name}", files[name])]


def second_core(bench: Workbench) -> dict[str, Measured]:
    """Wall time of the default grid from nothing, on one core and on two: once each, minutes."""
    if not bench.with_grid:
        return {"grid": Measured(None, "not measured; run with --grid")}
    seconds = {n: grid_seconds(n) for n in (1, 2)}
    note = f"{seconds[1]:.0f} s of wall time on one core, {seconds[2]:.0f} s on two, once each"
    return {"grid": Measured(seconds[1] / seconds[2], note)}


def grid_seconds(n_cores: int) -> float:
    with scratch_copy() as folder:
        start = time.monotonic()
        environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, *snakemake("--cores", str(n_cores))]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return time.monotonic() - start
