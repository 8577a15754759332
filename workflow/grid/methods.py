"""Which methods a model has, read from its source: what may be asked of it before torch is imported.

A model offers a Protocol of `cdae.interfaces` if it has every method that the Protocol names. Attributes of the
Protocol are not looked at.
"""

from functools import cache

from baselines.own_methods import offered
from baselines.own_methods import target_of as own_target_of
from baselines.registry import target_of
from cdae.class_source import Source, methods
from cdae.import_path import is_import_path
from workflow.grid.code_hash import module_file

INTERFACES = "cdae.interfaces"


def kind_offers(kind: str, protocol: str) -> bool:
    """Whether the models of a kind, or a user's own model by its import path, have the methods of a Protocol."""
    return methods_of_protocol(protocol) <= methods_of_kind(kind)


def methods_of_kind(kind: str) -> frozenset[str]:
    """Names of the methods that the models of a kind have."""
    if is_import_path(kind):
        return offered(own_target_of(kind)).names
    return methods_of_class(*target_of(kind).split(":"))


def methods_of_protocol(protocol: str) -> frozenset[str]:
    """Names of the methods that a Protocol of `cdae.interfaces` asks for."""
    return methods_of_class(INTERFACES, protocol)


def offers(target: str, protocol: str) -> bool:
    """Whether the class "module:name" of ours has the methods of a Protocol of `cdae.interfaces`."""
    return methods_of_protocol(protocol) <= methods_of_class(*target.split(":"))


@cache
def methods_of_class(module: str, name: str) -> frozenset[str]:
    """Names of the methods and properties of a class of ours, with those it inherits."""
    path = module_file(module)
    return frozenset() if path is None else methods(Source(path, module), name).names
