"""The code of a user that a cell depends on: the file of its import path, and what this imports of the same place.

The same place is the folder of a file, or the package that a module belongs to. Packages that are installed beside it
do not count, as torch does not count for our own code. Modules of this suite that it imports count as in our own code.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cdae.class_source import Source, imported_sources, source_of
from cdae.import_path import ImportPath
from workflow.grid.code_hash import PACKAGES, module_file

INSTALLED = ("dist-packages", "site-packages")


@dataclass(frozen=True)
class OwnCode:
    """What a user's code is hashed by.

    Attributes:
        contents: one hash over its files, or none.
        ours: modules of this suite that it imports, in the form "module:" of a target.
    """

    contents: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()


NO_CODE = OwnCode()


@cache
def own_code(target: ImportPath) -> OwnCode:
    """Raises: ValueError, if the source cannot be found or read."""
    start = source_of(target)
    root = _root(start)
    files, ours, waiting = set(), set(), [start]
    while waiting:
        source = waiting.pop()
        if source.file in files:
            continue
        files.add(source.file)
        for imported in imported_sources(source):
            if imported.module.split(".")[0] in PACKAGES and module_file(imported.module):
                ours.add(f"{imported.module}:")
            elif root.name not in INSTALLED and _is_beside(imported.file, root):
                waiting.append(imported)
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return OwnCode((digest.hexdigest(),), tuple(sorted(ours)))


def _is_beside(file: Path, root: Path) -> bool:
    """Whether a file lies in a folder, and in no environment of installed packages within it, such as `.venv`."""
    return file.is_relative_to(root) and not {*INSTALLED} & {*file.relative_to(root).parts}


def _root(source: Source) -> Path:
    """The folder of a file, or of the whole package that a module belongs to."""
    depth = source.module.count(".") + (source.file.name == "__init__.py")
    return source.file.parents[max(depth - 1, 0)] if source.module else source.file.parent
