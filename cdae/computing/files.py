"""Files written whole or not at all, and files that are checked when they are read.

A file is written under a temporary name beside its target, and renamed when complete. Records, arrays
(`cdae.computing.arrays`) and model weights (`cdae.checkpoint`) also carry the sha256 of what they hold. One that was
altered or cut short after it was written is refused by name, and no number is made from it. A record, a JSON object,
has it as its last key "sha256", of the object without that key, on one line and without spaces. This file is imported
wherever the pipeline is read, so it imports nothing slow.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class DamagedFileError(OSError, ValueError):
    """A file of ours no longer holds what was written: a failure of the machine, never the result of a model."""

    def __init__(self, path: str | Path, what: str):
        self.path, self.what = Path(path), " ".join(what.split())
        super().__init__(f"{path}: {self.what}; delete the file and run again")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path; on success it becomes `path`, on any failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def damage_named(path: str | Path) -> Iterator[None]:
    """Turn whatever a damaged file makes its parser raise into one DamagedFileError that names the file.

    Failures of the machine pass unchanged: a file that is not there or cannot be read, and too little memory.
    """
    try:
        yield
    except Exception as error:
        is_position = isinstance(error, OSError) and error.errno == errno.EINVAL  # one that the file does not have
        if isinstance(error, OSError | MemoryError) and not is_position:
            raise
        raise DamagedFileError(path, f"is damaged ({type(error).__name__}: {error})") from error


def check_sha256(path: str | Path, what: str, stated: str | None, actual: str) -> None:
    """Raise DamagedFileError unless the sha256 that a file states is that of its content."""
    if not stated:
        raise DamagedFileError(path, f"{what}: got no sha256 in the file, expected {actual}")
    if stated != actual:
        raise DamagedFileError(path, f"{what}: sha256 is {actual}, expected {stated}")


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 with "\\n" as the line end on every system."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON, keys in the order given, without a sha256; NaN and infinity, which are not JSON, are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_record(path: str | Path, record: dict[str, Any]) -> None:
    """Write a record as JSON, with its sha256 as the last key."""
    assert "sha256" not in record, "the key is the record's own checksum"
    write_json(path, {**record, "sha256": record_sha256(record)})


def read_record(path: str | Path) -> dict[str, Any]:
    """Read and check what `write_record` wrote.

    Raises:
        DamagedFileError: if the file is no record, or its content is not the one that was written.
    """
    with damage_named(path):
        record = read_json(path)
        if not isinstance(record, dict):
            raise TypeError(f"got a {type(record).__name__}, expected a JSON object")
        stated, actual = record.pop("sha256", None), record_sha256(record)
    check_sha256(path, "record", stated, actual)
    return record


def record_sha256(record: dict[str, Any]) -> str:
    """Return the sha256 of the record as JSON on one line, which is the same before writing and after reading."""
    line = json.dumps(record, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(line.encode()).hexdigest()
