"""The preparation of one data set: loaded, checked, dequantized, and written to one file."""

from pathlib import Path
from typing import Any

from cdae.data import prepare
from cdae.datasets.registry import loader


def run(name: str, loader_name: str, options: dict[str, Any], output: Path) -> None:
    """Prepare the data set.

    Args:
        loader_name: a key of `cdae.datasets.registry.LOADERS`.
        options: keywords of the loader.
    """
    prepare(loader(loader_name)(**options), name, output)
