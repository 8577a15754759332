"""Files that everybody can have: where they lie, their checksums, and their download.

A data set has one copy or several, such as an archive and pictures made of it, and each copy is a few files under a
root folder. The root is the option `data_root`, or else the environment variable CDAE_DATA_ROOT. If neither is set, it
is a cache folder, into which the first copy is downloaded once. A file that is there is used only if it has one of the
known checksums, so a truncated or altered one is an error that names it.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from cdae.computing.files import written_whole

ROOT_VARIABLE = "CDAE_DATA_ROOT"
TIMEOUT_SECONDS = 60.0  # without an answer


@dataclass(frozen=True)
class KnownFile:
    """A file of a data set.

    Attributes:
        path: where it lies under the root, with the folder of the data set.
        checksums: its checksums as "sha256:..." or "md5:...", of which one must be right; () where none is published.
        url: where it is downloaded from; None for a file that cannot be.
    """

    path: str
    checksums: tuple[str, ...]
    url: str | None = None


Copies = Mapping[str, Sequence[KnownFile]]  # name of a copy -> its files; the first can be downloaded


def given_root(data_root: str | None) -> Path | None:
    """Return the root folder that the option or the environment gives."""
    root = data_root or os.environ.get(ROOT_VARIABLE)
    return Path(root).expanduser() if root else None


def cache_folder() -> Path:
    """Return the folder of downloaded files: cdae-benchmark in XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cdae-benchmark"


def found_copy(name: str, copies: Copies, data_root: str | None) -> str | None:
    """The first copy of which all files exist; None if it is still to be downloaded. Fast: no file is read.

    Raises:
        ValueError: if a root folder is given and has no complete copy; it names the files that are missing there.
    """
    given = given_root(data_root)
    root = given or cache_folder()
    missing = {copy: [file for file in files if not (root / file.path).is_file()] for copy, files in copies.items()}
    complete = [copy for copy, files in missing.items() if not files]
    if complete or not given:
        return complete[0] if complete else None
    nearest = min(copies, key=lambda copy: len(missing[copy]) / len(copies[copy]))
    others = [str(root / file.path) for copy in copies if copy != nearest for file in copies[copy]]
    paths = ", ".join(str(root / file.path) for file in missing[nearest])
    urls = " ".join(file.url for file in missing[nearest] if file.url)
    raise ValueError(
        f"{name}: missing {paths}; put {'them' if len(missing[nearest]) > 1 else 'it'} there"
        + (f" (from {urls})" if urls else "")
        + (f", or {', '.join(others)}" if others else "")
        + f", or set neither data_root nor {ROOT_VARIABLE} to have the data downloaded"
    )


def obtained(name: str, copies: Copies, data_root: str | None) -> tuple[str, list[Path]]:
    """The name of a copy and the paths of its files, downloaded where no root folder is given, and checked.

    Raises:
        ValueError: if files are missing, altered or cannot be downloaded; the message says which and what to do.
    """
    copy, root = found_copy(name, copies, data_root), given_root(data_root) or cache_folder()
    if copy is None:
        copy = next(iter(copies))
        for file in copies[copy]:
            if not (root / file.path).is_file():
                download(name, file, root)
    for file in copies[copy]:
        check_checksum(root / file.path, *file.checksums)
    return copy, [root / file.path for file in copies[copy]]


def download(name: str, file: KnownFile, root: Path) -> None:
    """Download a file under the root: to a temporary name, then checked, and renamed if it is right.

    Raises:
        ValueError: if it cannot be had, or is not what is expected; then there is no file.
    """
    assert file.url is not None, file
    try:
        with written_whole(root / file.path) as partial:
            _fetch(file.url, partial)
            check_checksum(partial, *file.checksums)
    except (OSError, HTTPException, ValueError) as error:
        raise failed_download(name, root, f"{file.url}: {error}", [file.path]) from error


def failed_download(name: str, root: Path, reason: str, paths: Sequence[str]) -> ValueError:
    """The error that says what a download lacked, and how else the files can be given."""
    files = ", ".join(f"<root>/{path}" for path in paths)
    reason = " ".join(reason.split())  # messages of libraries have several lines
    return ValueError(
        f"{name}: the download into {root} failed ({reason}), expected {len(paths)} whole file(s); try again, or get "
        f"{files} elsewhere and give <root> as data_root or {ROOT_VARIABLE}"
    )


def check_checksum(path: Path, *expected: str) -> None:
    """Raise ValueError, naming the file, unless one of its checksums is expected; without any, all is well."""
    wrong = []
    for checksum in expected:
        kind, digest = checksum.split(":")
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, kind).hexdigest()
        if actual == digest:
            return
        wrong.append(f"{kind} is {actual}, expected {digest}")
    if wrong:
        raise ValueError(f"{path}: {', and '.join(wrong)}; delete the file and copy or download it again")


def _fetch(url: str, path: Path) -> None:
    request = Request(url, headers={"User-Agent": "cdae-benchmark"})
    with urlopen(request, timeout=TIMEOUT_SECONDS) as response, path.open("wb") as file:
        shutil.copyfileobj(response, file)
        announced = response.headers.get("Content-Length")
    if announced is not None and path.stat().st_size != int(announced):
        raise OSError(f"got {path.stat().st_size:,} bytes, expected {int(announced):,}")
