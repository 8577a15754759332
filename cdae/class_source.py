"""What a class is, read from its source without running it: its methods, with those that it inherits.

Base classes are followed by the imports of their file, through other files and packages. Those whose source is not
found are named, because they may have methods that are not seen here. Of torch's modules the methods that a Protocol of
`cdae.interfaces` names are listed here. A method is what a class defines by `def`; one that is assigned is not seen.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cdae.import_path import ImportPath, module_file

OF_TORCH_MODULES = frozenset({"parameters"})
WITHOUT_METHODS = ("abc.ABC", "object", "typing.Generic", "typing.NamedTuple", "typing.Protocol")


@dataclass(frozen=True)
class Source:
    """A module by its file.

    Attributes:
        module: its dotted name; "" for a file that is given by its path.
    """

    file: Path
    module: str = ""

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.module if self.file.name == "__init__.py" else self.module.rpartition(".")[0]


@dataclass(frozen=True)
class Definition:
    """A class where it is defined."""

    source: Source
    node: ast.ClassDef


@dataclass(frozen=True)
class Methods:
    """Methods and properties of a class.

    Attributes:
        unread: base classes whose source was not found.
    """

    names: frozenset[str]
    unread: frozenset[str] = frozenset()

    def __or__(self, other: "Methods") -> "Methods":
        return Methods(self.names | other.names, self.unread | other.unread)


def source_of(target: ImportPath) -> Source:
    """Raises: ValueError, if there is no such file or module."""
    return Source(target.file(), "" if target.is_file else target.where)


def class_of(target: ImportPath) -> Definition:
    """The class that an import path names, or that the return annotation of the function there names.

    Raises:
        ValueError: if there is neither, or the function does not say what it returns.
    """
    source = source_of(target)
    found = _resolved(source, target.name)
    if found is None:
        known = sorted(_definitions(source))
        raise ValueError(f"got {str(target)!r}, expected a class or a function of {source.file}: {', '.join(known)}")
    where, node = found
    if isinstance(node, ast.ClassDef):
        return Definition(where, node)
    returned = _resolved(where, _annotation(node)) if node.returns is not None else None
    if returned is None or not isinstance(returned[1], ast.ClassDef):
        got = f"-> {ast.unparse(node.returns)}" if node.returns is not None else "no return annotation"
        raise ValueError(
            f"got {str(target)!r}, a function with {got}, expected the name of a class whose source can be read, which "
            f"says what may be asked of the model: write def {target.name}(...) -> MyModel"
        )
    return Definition(*returned)


def methods_of(target: ImportPath) -> Methods:
    """Methods of the class that an import path names (`class_of`).

    Raises:
        ValueError: as of `class_of`, and if classes or imports go round in a circle.
    """
    try:
        definition = class_of(target)
        return methods(definition.source, definition.node.name)
    except RecursionError as error:
        raise ValueError(f"{target}: its base classes or imports go round in a circle; expected an end") from error


@cache
def methods(source: Source, name: str) -> Methods:
    """Methods of a class that a file defines, or imports from another, with those it inherits."""
    found = _resolved(source, name)
    if found is None or not isinstance(found[1], ast.ClassDef):
        return Methods(frozenset())
    where, node = found
    known = Methods(frozenset(part.name for part in node.body if isinstance(part, ast.FunctionDef)))
    for base in node.bases:
        known |= _methods_of_base(where, node, base)
    return known


def literal(definition: Definition, name: str) -> Any:
    """The value of a class attribute that is written out in the class itself; None where it has none.

    Raises:
        ValueError: if it is no literal of Python.
    """
    for node in definition.node.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if _is_annotated(node) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError as error:
                where = f"{definition.source.file}, line {node.lineno}"
                raise ValueError(f"{where}: {name} is computed, expected a literal; write its value out") from error
    return None


def check_bound(target: ImportPath) -> None:
    """Raise ValueError unless a file or module binds a name at its top: by a definition, an assignment or an import."""
    source = source_of(target)
    stores = [node for part in _tree(source.file).body for node in ast.walk(part) if isinstance(node, ast.Name)]
    assigned = {node.id for node in stores if isinstance(node.ctx, ast.Store)}
    known = {*_definitions(source), *_imports(source), *assigned}
    if target.name not in known and "*" not in known:
        names = ", ".join(sorted(_definitions(source))) or "which has none"
        raise ValueError(f"got {str(target)!r}, expected a class or a function of {source.file}: {names}")


def imported_sources(source: Source) -> list[Source]:
    """The modules that a file imports, at its top or within a function, as far as their source is found."""
    names: set[str] = set()
    for node in ast.walk(_tree(source.file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(source, node)
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    found = ((name, _file_seen_from(source, name)) for name in sorted(names) if name)
    return [Source(file, name) for name, file in found if file is not None]


def _is_annotated(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is not None


def _methods_of_base(where: Source, node: ast.ClassDef, base: ast.expr) -> Methods:
    name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
    qualified = _qualified(where, name)
    if qualified.startswith("torch.nn."):
        return Methods(OF_TORCH_MODULES)
    if qualified in WITHOUT_METHODS:
        return Methods(frozenset())
    found = _resolved(where, name)
    if found is None or found == (where, node):
        return Methods(frozenset(), frozenset({qualified}))
    return methods(found[0], found[1].name)


def _annotation(node: ast.FunctionDef) -> str:
    """The name that a return annotation gives, also between quotes."""
    returned = node.returns
    is_quoted = isinstance(returned, ast.Constant) and isinstance(returned.value, str)
    return returned.value if is_quoted else ast.unparse(returned)


@cache
def _resolved(source: Source, name: str) -> tuple[Source, ast.ClassDef | ast.FunctionDef] | None:
    """Where a name, possibly dotted, leads from a file: the definition, through imports; None if it is not found."""
    if name in _definitions(source):
        return source, _definitions(source)[name]
    qualified = _qualified(source, name)
    parts = qualified.split(".")
    for n in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:n])
        file = _file_seen_from(source, module)
        if file is not None and file != source.file:
            return _resolved(Source(file, module), ".".join(parts[n:]))
    return None


def _file_seen_from(source: Source, module: str) -> Path | None:
    """The file of a module, for a file that is given by its path in the folder of that file first."""
    beside = source.file.parent.joinpath(*module.split("."))
    candidates = [beside.with_name(f"{beside.name}.py"), beside / "__init__.py"] if not source.module else []
    return next((path for path in candidates if path.is_file()), None) or module_file(module)


def _qualified(source: Source, name: str) -> str:
    """The full dotted name of what a file calls so."""
    head, dot, tail = name.partition(".")
    return _imports(source).get(head, head) + dot + tail


@cache
def _imports(source: Source) -> dict[str, str]:
    """Names that a file imports at its top: name -> full dotted name."""
    found: dict[str, str] = {}
    for node in _tree(source.file).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(source, node)
            found |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
    return found


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    """The full name of the module that `from ... import` names."""
    if node.level == 0:
        return node.module or ""
    package = source.package.split(".")
    parent = package[: len(package) - node.level + 1]
    return ".".join([*parent, *([node.module] if node.module else [])])


@cache
def _definitions(source: Source) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    body = _tree(source.file).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


@cache
def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ValueError(f"{file}{line}: is no Python ({error}); expected source that Python can read") from error
