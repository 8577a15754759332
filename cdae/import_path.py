"""A place in Python code by name, "my_package.my_module:MyModel" or "path/to/file.py:MyModel".

A module is looked for in the working folder and then where Python looks for modules. A file's path is relative to the
working folder, and ~ is the user's home. `file` finds the source without running any of it; `load` runs it. Imports
nothing of ours and nothing slow: this file is imported wherever the pipeline is read.
"""

import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

FORM = r"(?P<where>(?:[A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*|[^\0\n]+\.py):(?P<name>[A-Za-z_]\w*)"


@dataclass(frozen=True)
class ImportPath:
    """A class or a function in a module or a file.

    Attributes:
        where: the dotted name of a module, or the path of a file that ends in ".py".
        name: of the class or the function there.
    """

    where: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "ImportPath":
        """Raises: ValueError, for a text of another form."""
        match = re.fullmatch(FORM, text)
        if match is None:
            raise ValueError(f'got {text!r}, expected "my_package.my_module:MyModel" or "path/to/file.py:MyModel"')
        return cls(match["where"], match["name"])

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"

    @property
    def is_file(self) -> bool:
        return self.where.endswith(".py")

    def file(self) -> Path:
        """The source file.

        Raises:
            ValueError: if there is none.
        """
        if self.is_file:
            path = Path(self.where).expanduser()
            if not path.is_file():
                raise ValueError(f"got {str(self)!r}, expected the path of an existing file; correct it")
            return path.absolute()
        path = module_file(self.where)
        if path is None:
            raise ValueError(
                f"got {str(self)!r}, expected a module in the working folder or where Python looks, but none of its "
                "name is there; correct the name, install it, or give the path of its file"
            )
        return path

    def load(self) -> Any:
        """Run the module, once in a process, and return what has the name there.

        Raises:
            ValueError: in one line, if the module cannot be imported or has nothing of this name.
        """
        path = self.file()
        try:
            module = _module_of_file(path.resolve()) if self.is_file else _module(self.where)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:  # a user's module may raise anything
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ValueError(
                f"{self}: importing it raised {what}; expected a module that can be imported; repair or install it"
            ) from error
        try:
            return getattr(module, self.name)
        except AttributeError as error:
            raise ValueError(f"{self}: the module has no {self.name!r}; expected a class or a function") from error


def is_import_path(text: str) -> bool:
    """Whether a kind or a loader is meant as an import path: names in registries have no colon."""
    return ":" in text


def module_file(module: str) -> Path | None:
    """The source file of a module, found without running it or its packages; None where there is none."""
    top, *rest = module.split(".")
    for folder in (Path.cwd(), *_folders_of(top)):
        base = folder.joinpath(top, *rest)
        for path in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _folders_of(top: str) -> list[Path]:
    """The folders that hold a top-level module or package; to find one at the top runs none of it."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a module without a specification, such as __main__
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(folder).parent for folder in spec.submodule_search_locations]
    return [Path(spec.origin).parent] if spec.origin and spec.origin.endswith(".py") else []


def _module(name: str) -> ModuleType:
    _search(Path.cwd())
    return importlib.import_module(name)


@cache
def _module_of_file(path: Path) -> ModuleType:
    """A file as a module of its own, with its folder searched for what it imports, as Python does for a script."""
    _search(path.parent)
    name = f"file_{re.sub(r'[^0-9A-Za-z_]', '_', str(path.with_suffix('')))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and others look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _search(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
