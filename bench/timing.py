"""CPU seconds on one core: of a call, of a child process, and medians of tasks that take turns.

Wall time says little on a shared machine; a GPU is nobody else's, and its time is that on the wall. Tasks take turns,
A B A B ..., so that whatever slows the machine for a while slows all of them alike.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

Clock = Callable[[], float]  # does its work, and answers the seconds that count


def stopwatch(device: torch.device) -> Callable[[], float]:
    """CPU seconds of this process so far; for a GPU the time, once it has done all that it was given."""
    if device.type != "cuda":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def seconds_of(action: Callable[[], Any], now: Callable[[], float] = time.process_time) -> float:
    """Seconds of a call, by a stopwatch."""
    start = now()
    action()
    return now() - start


def clock(action: Callable[[], Any], now: Callable[[], float] = time.process_time) -> Clock:
    """A task of which every second counts."""
    return lambda: seconds_of(action, now)


def medians(tasks: Mapping[str, Clock], n_repeats: int) -> dict[str, float]:
    """Median seconds of each task, over rounds in which every task runs once."""
    rounds = [{name: task() for name, task in tasks.items()} for _ in range(n_repeats)]
    return {name: statistics.median(seconds[name] for seconds in rounds) for name in tasks}


def child_cpu_seconds(arguments: list[str], folder: Path) -> float:
    """CPU seconds of this Python with the given arguments, and of the processes that it waits for.

    Raises:
        ChildProcessError: if it fails, with the end of what it said.
    """
    before = _of_children()
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr)[-2_000:]
        raise ChildProcessError(f"{' '.join(arguments)}: exit {done.returncode}: {said}")
    return _of_children() - before


def all_cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the children that it has waited for."""
    return time.process_time() + _of_children()


def _of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
