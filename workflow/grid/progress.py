"""How far a run is: which of its jobs are done, how long the others take, and a page of the cells that are done."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workflow.grid import duration
from workflow.grid.costs import Cost, Job, seconds
from workflow.grid.watch import Duty

PAGE = "progress.md"  # in the results folder


@dataclass(frozen=True)
class Run:
    """A run, as the process that hands out its jobs sees it.

    Attributes:
        results: its folder.
        jobs: of training and evaluation that had to run when it began, with their names.
        is_done: whether one of them is.
        committed: what jobs cost in the committed run.
        n_cores: that the jobs share; None where they run elsewhere, and nobody knows how many at a time.
    """

    results: Path
    jobs: Mapping[Hashable, Job]
    is_done: Callable[[Hashable], bool]
    committed: Mapping[Job, Cost]
    n_cores: int | None
    began: float = field(default_factory=time.monotonic)

    def done(self, *rules: str) -> list[Job]:
        """The jobs of these rules, or of all, that are done."""
        return [name for job, name in self.jobs.items() if name[0] in (rules or name[:1]) and self.is_done(job)]

    def left(self) -> str:
        """How many jobs are done, and how long the others take."""
        known = {name: seconds(self.results / "benchmarks", name) for name in self.done()}
        took = {name: clock for name, clock in known.items() if clock is not None}
        at_once = self.n_cores or sum(took.values()) / (time.monotonic() - self.began)
        return duration.left(self.jobs.values(), took, self.committed, max(1.0, at_once))

    def duties(self, say: Callable[[str], None], home: Path, given: str) -> list[Duty]:
        """Say what is left, and keep the page.

        Args:
            home: the project's folder.
            given: to the program that makes the page.
        """
        return [
            Duty(lambda: len(self.done()), lambda: say(self.left())),
            Duty(lambda: len(self.done("evaluate")), lambda: self._make_page(home, given)),
        ]

    def _make_page(self, home: Path, given: str) -> None:
        """In a process of its own, which may fail, where a cell is made anew just now; the next page will have it."""
        command = [sys.executable, "-m", "workflow.scripts.progress", "--note", self.left()]
        command += ["--published", str(home / "results/reference/published.csv"), "--output", str(self.results / PAGE)]
        path = os.pathsep.join(filter(None, [str(home), os.getenv("PYTHONPATH")]))
        log = self.results / "logs/progress.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:
            environment = {**os.environ, "PYTHONPATH": path}
            subprocess.run(command, input=given, stdout=file, stderr=file, encoding="utf-8", env=environment)
