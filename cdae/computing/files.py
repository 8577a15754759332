"""Atomic writing of files: a temporary file beside the target is renamed when it is complete."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path whose file is renamed to `path` on success and removed on any failure.

    Missing folders are created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 with "\\n" as the line end on every system."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as JSON, with keys in the given order.

    Raises:
        ValueError: if a number is NaN or infinite, which JSON cannot represent.
    """
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file in UTF-8."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_npz(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name to an npz file, without compression."""
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)
