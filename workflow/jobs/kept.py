"""What an evaluation keeps of every estimator, so that new settings of one do not run the others again.

A part is taken from another evaluation of the same cell if all that it depends on is the same: the code, the data, the
weights, and the configuration but for the other estimators. An evaluation that is asked for again as it was is made
anew, so that a forced run checks what it says it checks.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from cdae.computing.arrays import read_npz, write_npz
from cdae.computing.files import DamagedFileError

RECORD = "record"  # the array that holds the part's own record, as JSON
Part = tuple[dict[str, Any], dict[str, np.ndarray]]  # a record, and values per example by name


class Kept:
    """The kept parts of one cell, a file each.

    Args:
        folder: where they lie.
        config: everything that the evaluation depends on.
        hashes: config_sha256 and code_sha256 of the evaluation.
        inputs: the files that it reads.
    """

    def __init__(self, folder: Path, config: dict[str, Any], hashes: dict[str, str], inputs: list[Path]):
        self.folder, self.hashes, self.estimators = folder, hashes, config["estimators"]
        contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs]
        others = {key: value for key, value in config.items() if key != "estimators"}
        self.common = [hashes["code_sha256"], others, contents]

    def take(self, estimator: str, purpose: str) -> Part | None:
        """What another evaluation kept of an estimator; it counts as this one's from now on. None if there is none."""
        path = self._path(estimator, purpose)
        try:
            arrays = read_npz(path)
        except (FileNotFoundError, DamagedFileError):
            return None
        record = json.loads(arrays.pop(RECORD).tobytes())
        if record["key"] != self._key(estimator) or record["evaluation"] == self.hashes["config_sha256"]:
            return None
        self.keep(estimator, purpose, record["part"], arrays)
        return record["part"], arrays

    def keep(self, estimator: str, purpose: str, part: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Keep a part for later evaluations."""
        record = {"key": self._key(estimator), "evaluation": self.hashes["config_sha256"], "part": part}
        text = np.frombuffer(json.dumps(record).encode(), np.uint8)
        write_npz(self._path(estimator, purpose), {RECORD: text, **arrays})

    def _key(self, estimator: str) -> str:
        return json.dumps([*self.common, estimator, self.estimators[estimator]], sort_keys=True)

    def _path(self, estimator: str, purpose: str) -> Path:
        return self.folder / f"{estimator}.{purpose}.npz"
