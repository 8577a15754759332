"""Which methods a class has, read from its source: what may be asked of a model before torch is imported.

A class offers a Protocol of `cdae.interfaces` if it, or a class that it is derived from, defines every method that the
Protocol names. Attributes of the Protocol are not looked at. Of torch's own class of modules, whose source is not ours,
the methods that a Protocol names are listed here.
"""

import ast
from functools import cache

from workflow.grid.code_hash import module_file

INTERFACES = "cdae.interfaces"
OF_TORCH_MODULES = frozenset({"parameters"})


def offers(target: str, protocol: str) -> bool:
    """Whether the class "module:name" has the methods of a Protocol of `cdae.interfaces`."""
    module, name = target.split(":")
    return _own_methods(_classes(INTERFACES)[protocol]) <= methods(module, name)


@cache
def methods(module: str, name: str) -> frozenset[str]:
    """Names of the methods and properties of a class of ours, with those it inherits."""
    if module_file(module) is None or name not in _classes(module):
        return frozenset()
    definition = _classes(module)[name]
    found = _own_methods(definition)
    for base in definition.bases:
        if ast.unparse(base) == "nn.Module":
            found |= OF_TORCH_MODULES
        elif isinstance(base, ast.Name):
            found |= methods(*_imported(module).get(base.id, (module, base.id)))
    return found


def _own_methods(definition: ast.ClassDef) -> frozenset[str]:
    return frozenset(node.name for node in definition.body if isinstance(node, ast.FunctionDef))


@cache
def _tree(module: str) -> ast.Module:
    path = module_file(module)
    assert path is not None, module
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _tree(module).body if isinstance(node, ast.ClassDef)}


@cache
def _imported(module: str) -> dict[str, tuple[str, str]]:
    """Names that a module imports from others: name -> (module, name there)."""
    froms = [node for node in _tree(module).body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: (node.module, alias.name) for node in froms for alias in node.names}
