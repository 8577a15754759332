"""The last word on a run: which estimates failed, and the command that tries them again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdae.computing.files import read_record
from workflow.grid.record import OK


@dataclass(frozen=True)
class Verdict:
    """What failed in a run.

    Attributes:
        failures: a line per estimate.
        retry: the records whose jobs must run again.
    """

    failures: list[str]
    retry: list[Path]

    def message(self, arguments: list[str]) -> str:
        """The failures, and the command that tries them again.

        Args:
            arguments: of this run's snakemake, such as its configuration.
        """
        command = shlex.join(["snakemake", "--cores", "all", *arguments, "--forcerun", *map(str, self.retry)])
        lines = "\n".join(f"  {line}" for line in self.failures)
        n = len(self.failures)
        return f"{n} estimates failed; tables and figures show the rest:\n{lines}\nto retry: {command}"


def judge(
    records: list[Path],
    training_records: list[Path],
    certificates: list[Path],
    snapshots: list[Path],
    quality: Sequence[Path] = (),
) -> Verdict:
    """Read all records; of a cell whose training failed, training is what must run again.

    Args:
        training_records: in the order of `records`.
        quality: of classifiers and of cells.
    """
    failures, retry = [], []
    for record, training in zip(records, training_records, strict=True):
        failed = failed_rows(record)
        failures += failed
        if failed:
            retry.append(record if read_record(training)["status"] == OK else training)
    for path in [*certificates, *quality]:
        failed = failed_rows(path)
        failures += failed
        retry += [path] if failed else []
    for path in snapshots:
        record = read_record(path)
        if record["status"] != OK:
            failures.append(f"{path}: snapshots: {record['status']}: {record['reason']}")
            retry.append(path)
    return Verdict(failures, retry)


def failed_rows(record: Path) -> list[str]:
    """A line for every estimate of a record that failed."""
    failed = [row for row in read_record(record)["rows"] if row["status"] != OK]
    names = [" ".join(filter(None, (row["estimator"], row["variant"]))) for row in failed]
    return [f"{record}: {name}: {row['status']}: {row['reason']}" for name, row in zip(names, failed, strict=True)]
