"""Import closures of our own modules, read from their source, and hashes over them.

A cell of the grid is run again when a file in the closure of its code changes, and only then. Registries map names to
modules that are imported on use, so they count as no file of the closure: a cell's own entries are named instead, and
adding a model or a data set runs nothing again. Nor does what a package forwards to users by name in its `__init__`:
jobs import modules by their full names, so of that file only the docstring counts.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cdae", "baselines", "workflow")


def module_file(module: str) -> Path | None:
    """The source file of one of our modules or packages; None if there is none of that name."""
    base = ROOT.joinpath(*module.split("."))
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return next((path for path in candidates if path.is_file()), None)


@cache
def direct_imports(module: str) -> frozenset[str]:
    """Our own modules that one of our modules imports, at its top or within a function."""
    path = module_file(module)
    assert path is not None, module
    return frozenset(name for name in _imported_names(path) if name.split(".")[0] in PACKAGES and module_file(name))


def _imported_names(path: Path) -> Iterator[str]:
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements within a node, at any depth. The expressions in them are many, and import nothing."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)


def import_closure(modules: list[str]) -> list[str]:
    """The given modules and all of ours that they import, directly or not, sorted."""
    return list(_closure(tuple(modules)))


@cache
def _closure(modules: tuple[str, ...]) -> tuple[str, ...]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += direct_imports(module)
    return tuple(sorted(found))


@cache
def code_sha256(entry: str, targets: tuple[str, ...]) -> str:
    """Hash over the closure of an entry point and of the "module:name" targets that it imports through registries."""
    digest = hashlib.sha256()
    for target in targets:
        digest.update(target.encode())
    for module in import_closure([entry, *(target.split(":")[0] for target in targets)]):
        if not module.endswith(".registry"):
            digest.update(module.encode() + _source(module))
    return digest.hexdigest()


@cache
def _source(module: str) -> bytes:
    path = module_file(module)
    assert path is not None, module
    return _docstring(path) if path.name == "__init__.py" else path.read_bytes()


def _docstring(path: Path) -> bytes:
    """The lines of a file down to the end of its docstring."""
    content = path.read_bytes()
    (first, *_) = ast.parse(content).body
    return b"".join(content.splitlines(keepends=True)[: first.end_lineno])
