"""What a job asks a cluster for: memory, time and disk, from what the same job took in a committed run.

A job that the committed run does not have asks for as much as the most costly job of its rule there, and without any
committed run for `UNKNOWN`. Every further attempt asks for twice the memory and the time of the one before. On one
machine nothing of this is a limit, unless Snakemake is given one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from workflow.grid.costs import Cost, Job

MEMORY_MARGIN, TIME_MARGIN = 1.5, 4.0  # over what was measured: another processor, a crowded node
LEAST_MEGABYTES, LEAST_MINUTES = 1_000, 5  # importing torch, and waiting for a disk on a network
DISK_MEGABYTES = 2_000  # of a data set or a model, whichever is larger


@dataclass(frozen=True)
class Resources:
    """Megabytes of memory, minutes, and megabytes of disk."""

    mem_mb: int
    runtime: int
    disk_mb: int = DISK_MEGABYTES


UNKNOWN = Resources(mem_mb=4_000, runtime=60)


def asked(job: Job, committed: Mapping[Job, Cost], attempt: int = 1) -> Resources:
    """What an attempt at a job asks for; attempts count from 1."""
    costs = [committed[job]] if job in committed else [cost for key, cost in committed.items() if key[0] == job[0]]
    base = UNKNOWN
    if costs:
        megabytes = MEMORY_MARGIN * max(cost.peak_megabytes for cost in costs)
        minutes = TIME_MARGIN * max(cost.cpu_seconds for cost in costs) / 60.0
        base = Resources(max(LEAST_MEGABYTES, math.ceil(megabytes)), max(LEAST_MINUTES, math.ceil(minutes)))
    factor = 2 ** (attempt - 1)
    return Resources(factor * base.mem_mb, factor * base.runtime)
