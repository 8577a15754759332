"""CPU seconds on one core: of a call, of a child process, and medians of tasks that take turns.

Wall time says little on a shared machine. Tasks take turns, A B A B ..., so that whatever slows the machine for a while
slows all of them alike.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Clock = Callable[[], float]  # does its work, and answers the CPU seconds that count


def cpu_seconds(action: Callable[[], Any]) -> float:
    """CPU seconds of this process in a call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def clock(action: Callable[[], Any]) -> Clock:
    """A task of which every second counts."""
    return lambda: cpu_seconds(action)


def medians(tasks: Mapping[str, Clock], n_repeats: int) -> dict[str, float]:
    """Median CPU seconds of each task, over rounds in which every task runs once."""
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
    """Of this process and of the children that it has waited for."""
    return time.process_time() + _of_children()


def _of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
