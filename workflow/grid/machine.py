"""The machine that a run is on: its kind, its speed, and the one run that may write to a results folder."""

import fcntl
import hashlib
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TextIO


def kind() -> dict[str, str]:
    """What decides floating-point results: the processor's kind and the versions of the libraries that compute."""
    cpu = Path("/proc/cpuinfo")
    fields = dict.fromkeys(("vendor_id", "cpu family", "model", "model name", "flags"), "")
    for line in cpu.read_text().splitlines() if cpu.is_file() else []:
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in fields:
            fields[key] = value
    flags = hashlib.sha256(fields.pop("flags").encode()).hexdigest()[:16]
    software = {"torch": version("torch"), "numpy": version("numpy"), "system": platform.system()}
    return {"processor": " ".join([platform.machine(), *fields.values()]), "processor_flags_sha256": flags, **software}


def probe_seconds() -> float:
    """CPU seconds of a fixed piece of work, the best of five."""
    import numpy as np  # here alone: a finished grid asks for no time, and need not wait for it

    a = np.random.default_rng(0).random((1_500, 1_500), dtype=np.float32)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        a @ a
        seconds.append(time.process_time() - start)
    return min(seconds)


def hold(folder: Path) -> TextIO:
    """Take a results folder for this run. The system lets go of the returned file however the run ends.

    Raises:
        ValueError: if the folder cannot be made or written to, or if another run holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".held").open("w")
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written to ({error.strerror}); choose another or change its rights"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise ValueError(f"another run is writing to {folder}; wait until it has ended") from error
    except OSError as error:  # some disks on a network know no locks
        print(f"warning: {folder} cannot be locked ({error.strerror}); start no second run there", file=sys.stderr)
    return file
