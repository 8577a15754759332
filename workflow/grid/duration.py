"""How long a run will take: the CPU seconds of a committed run, job by job, scaled to this machine by a probe."""

import csv
from collections.abc import Iterable
from pathlib import Path

from cdae.computing.files import written_whole
from workflow.grid.machine import probe_seconds

COLUMNS = ["job", "dataset", "model", "seed", "cpu_seconds", "peak_megabytes"]
Job = tuple[str, str, str, str]  # rule, data set, model, seed; of the job of a data set the last two are empty
PROBE: Job = ("probe", "", "", "")


def write(path: Path, benchmarks: Path) -> None:
    """One row per job of a finished run, from the pipeline's benchmark files, and the probe of this machine."""
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerow([*PROBE, f"{probe_seconds():.4f}", ""])
        for benchmark in sorted(benchmarks.rglob("*.tsv")):
            measured = next(csv.DictReader(benchmark.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
            job = (*benchmark.relative_to(benchmarks).with_suffix("").parts, "", "")[:4]
            rows.writerow([*job, measured["cpu_time"], measured["max_rss"]])


def message(jobs: Iterable[Job], committed: Path, n_cores: int) -> str:
    """One line that tells how long these jobs will take, or that it is not known."""
    jobs = list(jobs)
    text = f"{len(jobs)} jobs of training and evaluation to run"
    seconds = _read(committed) if committed.is_file() else {}
    known = [seconds[job] for job in jobs if job in seconds]
    if not known:
        return text + ("; no committed run tells how long they take" if jobs else "")
    scale = probe_seconds() / seconds[PROBE]
    minutes = scale * max(sum(known) / n_cores, max(known)) / 60.0
    new = f", not counting {len(jobs) - len(known)} that no committed run has" if len(known) < len(jobs) else ""
    return f"{text}: about {minutes:.0f} minutes on {n_cores} cores{new}"


def _read(path: Path) -> dict[Job, float]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return {(row["job"], row["dataset"], row["model"], row["seed"]): float(row["cpu_seconds"]) for row in rows}
