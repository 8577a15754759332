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
    "mixture_2d": "cdae.datasets.toy:load_mixture_2d",
    "mnist": "cdae.datasets.images:load_mnist",
    "npz": "cdae.datasets.arrays:load",
}


def loader(name: str) -> Callable[..., Any]:
    module, function = LOADERS[name].split(":")
    return getattr(import_module(module), function)
