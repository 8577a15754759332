"""Which loader a configuration means: name -> "module:function", imported on use.

A loader takes the data set's options from the configuration (without `loader`) as keywords and returns
`cdae.data.RawData`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

LOADERS = {
    "digits": "cdae.datasets.digits:load",
    "fashion_mnist": "cdae.datasets.images:load_fashion_mnist",
    "gaussian_8d": "cdae.datasets.toy:load_gaussian_8d",
    "mixture_1d": "cdae.datasets.toy:load_mixture_1d",
    "mixture_2d": "cdae.datasets.toy:load_mixture_2d",
    "mnist": "cdae.datasets.images:load_mnist",
    "npz": "cdae.datasets.arrays:load",
}

# For loaders of files that are not ours: name -> function of (name, data_root) that raises if they are not at hand,
# quick enough to ask before anything is computed.
AVAILABILITY = {
    "fashion_mnist": "cdae.datasets.images:check_available",
    "mnist": "cdae.datasets.images:check_available",
}


def loader(name: str) -> Callable[..., Any]:
    return _imported(LOADERS[name])


def check_available(name: str, data_root: str | None) -> None:
    """Raise ValueError if the files that a loader reads are known to be missing or cut short."""
    if name in AVAILABILITY:
        _imported(AVAILABILITY[name])(name, data_root)


def _imported(target: str) -> Callable[..., Any]:
    module, function = target.split(":")
    return getattr(import_module(module), function)
