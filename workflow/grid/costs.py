"""What the jobs of a committed run cost: CPU time and memory, from the pipeline's own benchmark files."""

import csv
from dataclasses import dataclass
from pathlib import Path

from cdae.computing.files import written_whole
from workflow.grid.machine import probe_seconds

COLUMNS = ["job", "dataset", "model", "seed", "cpu_seconds", "peak_megabytes"]
Job = tuple[str, str, str, str]  # rule, data set, model, seed; of the job of a data set the last two are empty
PROBE: Job = ("probe", "", "", "")


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a job, and its largest resident memory; NaN for the probe."""

    cpu_seconds: float
    peak_megabytes: float


def write(path: Path, benchmarks: Path) -> None:
    """One row per job of a finished run, from the pipeline's benchmark files, and the probe of this machine."""
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerow([*PROBE, f"{probe_seconds():.4f}", ""])
        for benchmark in sorted(benchmarks.rglob("*.tsv")):
            measured = _measured(benchmark)
            job = (*benchmark.relative_to(benchmarks).with_suffix("").parts, "", "")[:4]
            rows.writerow([*job, measured["cpu_time"], measured["max_rss"]])


def read(path: Path) -> dict[Job, Cost]:
    """The rows of such a file by job; nothing where there is no file."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["job"], row["dataset"], row["model"], row["seed"]): Cost(
                float(row["cpu_seconds"]), float(row["peak_megabytes"] or "nan")
            )
            for row in csv.DictReader(file)
        }


def seconds(benchmarks: Path, job: Job) -> float | None:
    """What a job took by the clock, from its benchmark file; None where there is none (yet)."""
    file = benchmarks.joinpath(*filter(None, job)).with_suffix(".tsv")
    return float(_measured(file)["s"]) if file.is_file() else None


def _measured(benchmark: Path) -> dict[str, str]:
    return next(csv.DictReader(benchmark.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
