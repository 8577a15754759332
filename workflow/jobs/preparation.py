"""The preparation of one data set: loaded, checked, dequantized, and written to one file."""

from pathlib import Path
from typing import Any

from cdae.computing.files import write_record
from cdae.data import prepare
from cdae.datasets.registry import loader
from cdae.interfaces import InputWarning
from workflow.grid.record import OK
from workflow.jobs.process import noted


def run(
    name: str, loader_name: str, options: dict[str, Any], hashes: dict[str, str], output: Path, record: Path
) -> None:
    """Prepare the data set, and record what made it and what is to be noted of it.

    Args:
        loader_name: a key of `cdae.datasets.registry.LOADERS`.
        options: keywords of the loader.
        hashes: config_sha256 and code_sha256.
    """
    with noted(InputWarning) as notes:
        prepare(loader(loader_name)(**options), name, output)
    write_record(record, {"status": OK, "notes": notes, **hashes})
