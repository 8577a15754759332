"""The last word on a run: which estimates failed, and the command that tries them again."""

from dataclasses import dataclass
from pathlib import Path

from cdae.computing.files import read_json


@dataclass(frozen=True)
class Verdict:
    """What failed in a run.

    Attributes:
        failures: a line per estimate.
        retry: the records whose jobs must run again.
    """

    failures: list[str]
    retry: list[Path]

    def message(self, config_files: list[str]) -> str:
        """The failures, and the command that tries them again.

        Args:
            config_files: as given to snakemake.
        """
        config = "".join(f" --configfile {file}" for file in config_files)
        command = f"snakemake --cores all{config} --forcerun {' '.join(map(str, self.retry))}"
        lines = "\n".join(f"  {line}" for line in self.failures)
        n = len(self.failures)
        return f"{n} estimates failed; tables and figures show the rest:\n{lines}\nto retry: {command}"


def judge(records: list[Path], training_records: list[Path], certificates: list[Path]) -> Verdict:
    """Read all records; of a cell whose training failed, training is what must run again.

    Args:
        training_records: in the order of `records`.
    """
    failures, retry = [], []
    for record, training in zip(records, training_records, strict=True):
        failed = failed_rows(record)
        failures += failed
        if failed:
            retry.append(record if read_json(training)["status"] == "ok" else training)
    for certificate in certificates:
        failed = failed_rows(certificate)
        failures += failed
        retry += [certificate] if failed else []
    return Verdict(failures, retry)


def failed_rows(record: Path) -> list[str]:
    """A line for every estimate of a record that failed."""
    failed = [row for row in read_json(record)["rows"] if row["status"] != "ok"]
    names = [" ".join(filter(None, (row["estimator"], row["variant"]))) for row in failed]
    return [f"{record}: {name}: {row['reason']}" for name, row in zip(names, failed, strict=True)]
