"""Finished parts of a long job, kept on disk, so that an interrupted job goes on where it was.

A part is a dictionary of arrays under a name. Parts belong to an identity (the hash of all that they depend on); those
of another identity are never read.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cdae.computing.arrays import read_npz, write_npz

Arrays = dict[str, np.ndarray]


class Parts:
    """Parts of one identity in a folder."""

    def __init__(self, folder: Path, identity: str):
        self.folder = folder
        self.own = folder / identity

    def get(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """The part of this name: from disk if it was finished before, else computed and kept."""
        path = self.own / f"{name}.npz"
        if not path.is_file():
            write_npz(path, compute())
        return read_npz(path)

    def remove(self) -> None:
        """All parts, of any identity: the job's own outputs hold what they were for."""
        shutil.rmtree(self.folder, ignore_errors=True)
