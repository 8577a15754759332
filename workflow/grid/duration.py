"""How long a run will take: the CPU seconds of a committed run, job by job, scaled to this machine.

Before a run the scale is that of a probe, and while it goes on that of the jobs that are done.
"""

from collections.abc import Collection, Iterable, Mapping

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
    return f"{text}: {_time(minutes)} on {n_cores} core{'s' if n_cores > 1 else ''}{new}"


def left(jobs: Collection[Job], took: Mapping[Job, float], committed: Mapping[Job, Cost], n_at_once: float) -> str:
    """How many jobs of a run are done, and how long the others will take, from what those took that are done.

    Args:
        jobs: all of the run.
        took: seconds by the clock of the jobs that are done.
        n_at_once: how many run beside one another.
    """
    text = f"{len(took)} of {len(jobs)} jobs of training and evaluation are done"
    remaining = [_expected(job, took, committed) for job in jobs if job not in took]
    known = [seconds for seconds in remaining if seconds is not None]
    if not known:
        return text + (", and nothing tells yet how long the others take" if remaining else "")
    minutes = max(sum(known) / n_at_once, max(known)) / 60.0
    new = f", not counting {len(remaining) - len(known)} of which nothing is known yet"
    return f"{text}; {_time(minutes)} left{new if len(known) < len(remaining) else ''}"


def _time(minutes: float) -> str:
    return f"about {minutes:.0f} minutes" if round(minutes) > 1 else "a minute or less"


def _expected(job: Job, took: Mapping[Job, float], committed: Mapping[Job, Cost]) -> float | None:
    """The committed time on the scale of the jobs that are done, or the mean over those of the same rule."""
    both = [other for other in took if other in committed]
    if job in committed and both:
        scale = sum(took[other] for other in both) / sum(committed[other].cpu_seconds for other in both)
        return scale * committed[job].cpu_seconds
    alike = [seconds for other, seconds in took.items() if other[0] == job[0]]
    return sum(alike) / len(alike) if alike else None
