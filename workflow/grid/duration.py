"""How long a run will take: the CPU seconds of a committed run, job by job, scaled to this machine by a probe."""

from collections.abc import Iterable, Mapping

from workflow.grid.costs import PROBE, Cost, Job
from workflow.grid.machine import probe_seconds


def message(jobs: Iterable[Job], committed: Mapping[Job, Cost], n_cores: int) -> str:
    """One line that tells how long these jobs will take, or that it is not known."""
    jobs = list(jobs)
    text = f"{len(jobs)} jobs of training and evaluation to run"
    known = [committed[job].cpu_seconds for job in jobs if job in committed]
    if not known:
        return text + ("; no committed run tells how long they take" if jobs else "")
    scale = probe_seconds() / committed[PROBE].cpu_seconds
    minutes = scale * max(sum(known) / n_cores, max(known)) / 60.0
    new = f", not counting {len(jobs) - len(known)} that no committed run has" if len(known) < len(jobs) else ""
    return f"{text}: about {minutes:.0f} minutes on {n_cores} cores{new}"
