"""Arrays on disk: npz files with the sha256 of every array, checked when it is read.

It stands as the comment of the array's member of the archive, which NumPy itself does not read. So one array can be
read and checked without the others.
"""

import hashlib
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np

from cdae.computing.files import check_sha256, damage_named, written_whole


def write_npz(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an npz file as `numpy.savez` does, with the sha256 of every array. Objects are refused."""
    with written_whole(path) as partial, ZipFile(partial, "w") as archive:
        for name, array in arrays.items():
            member = ZipInfo(f"{name}.npy")  # with a fixed date: the same arrays give the same bytes
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
            member.comment = array_sha256(name, array).encode()


def read_npz(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """Read and check the arrays of these names, or all of them where none is named.

    Raises:
        DamagedFileError: if the file is no npz file, lacks one of them, or its content is not the one that was written.
    """
    arrays, stated = {}, {}
    with damage_named(path), ZipFile(path) as archive:
        for name in names or [member.removesuffix(".npy") for member in archive.namelist()]:
            member = archive.getinfo(f"{name}.npy")
            with archive.open(member) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
            stated[name] = member.comment.decode()
    for name, array in arrays.items():
        check_sha256(path, f"array {name!r}", stated[name], array_sha256(name, array))
    return arrays


def array_sha256(name: str, array: np.ndarray) -> str:
    """Return the sha256 of the name, the type, the shape and the values of an array."""
    array = np.asarray(array)
    digest = hashlib.sha256(f"{name} {array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()
