"""The table as CSV and as Markdown."""

import csv
from dataclasses import dataclass
from pathlib import Path

from bench.goals import GOALS, Goal, Measured, verdict, written
from bench.reasons import REASONS
from cdae.computing.files import write_text, written_whole

COLUMNS = ["workload", "name", "what", "peer", "unit", "measured", "reach", "stretch", "verdict", "cpu_seconds", "note"]


@dataclass(frozen=True)
class Row:
    """A goal by its name, what was measured, in which workload, and its share of the CPU seconds that it took."""

    workload: str
    name: str
    measured: Measured
    cpu_seconds: float

    @property
    def goal(self) -> Goal:
        return GOALS[self.name]

    @property
    def verdict(self) -> str:
        """On the number, or why there is none."""
        value = self.measured.value
        return self.measured.note if value is None else verdict(self.goal, value)


def write_csv(path: Path, rows: list[Row]) -> None:
    """Numbers in the unit of their row; a share is of 1."""
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in rows:
            goal, value = row.goal, row.measured.value
            known = [row.workload, row.name, goal.what, goal.peer, goal.unit]
            numbers = [blank(number) for number in (value, goal.reach, goal.stretch)]
            table.writerow([*known, *numbers, row.verdict, f"{row.cpu_seconds:.1f}", row.measured.note])


def blank(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def write_markdown(path: Path, rows: list[Row], head: str) -> None:
    """The table, how each number came about, and why a goal is missed."""
    lines = ["# How fast", "", head, "", "| | against | measured | reach | stretch | |", "|---|---|---|---|---|---|"]
    lines += [line(row) for row in rows]
    lines += ["", "## How each number came about", ""]
    lines += [f"- {title(row)}: {row.measured.note}." for row in rows if row.measured.value is not None]
    missed = [row for row in rows if row.verdict.startswith("missed")]
    if missed:
        lines += ["", "## Why goals are missed", ""]
        lines += [f"- {title(row)}: {REASONS.get(row.name, 'not looked into')}" for row in missed]
    write_text(path, "\n".join(lines) + "\n")


def title(row: Row) -> str:
    return f"{row.goal.what}, over {row.goal.peer}" if row.goal.peer else row.goal.what


def line(row: Row) -> str:
    goal = row.goal
    bound = "" if goal.more_is_better else "at most "
    asked = [bound + written(value, goal.unit) if value else "" for value in (goal.reach, goal.stretch)]
    measured = written(row.measured.value, goal.unit)
    return f"| {' | '.join([goal.what, goal.peer, measured, *asked, row.verdict])} |"
