"""The table as CSV and as Markdown."""

import csv
from dataclasses import dataclass
from pathlib import Path

from bench.quantities import QUANTITIES, Measured, Quantity, written
from cdae.computing.files import write_text, written_whole

COLUMNS = ["workload", "name", "what", "peer", "unit", "measured", "cpu_seconds", "note"]


@dataclass(frozen=True)
class Row:
    """A quantity by its name, what was measured, in which workload, and its share of the CPU seconds that it took."""

    workload: str
    name: str
    measured: Measured
    cpu_seconds: float

    @property
    def quantity(self) -> Quantity:
        return QUANTITIES[self.name]

    @property
    def written(self) -> str:
        return written(self.measured.value, self.quantity.unit)


def write_csv(path: Path, rows: list[Row]) -> None:
    """Numbers in the unit of their row; a share is of 1."""
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in rows:
            quantity, value = row.quantity, row.measured.value
            number = "" if value is None else f"{value:.4g}"
            known = [row.workload, row.name, quantity.what, quantity.peer, quantity.unit]
            table.writerow([*known, number, f"{row.cpu_seconds:.1f}", row.measured.note])


def write_markdown(path: Path, rows: list[Row], head: str) -> None:
    """The table, with how each number came about, or why there is none."""
    lines = ["# How fast", "", head, "", "| what | against | measured | how it came about |", "|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row.quantity.what} | {row.quantity.peer} | {row.written} | {row.measured.note} |")
    write_text(path, "\n".join(lines) + "\n")
