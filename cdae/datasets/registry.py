"""The loaders by their names in the configuration: name -> "module:function", imported on use.

A loader takes the options of the data set in the configuration (without `loader`) as keyword arguments, and returns
`cdae.data.RawData`. A name with a colon is the import path of a user's own data, which `OWN_LOADER` loads.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

LOADERS = {
    "binarized_digits": "cdae.datasets.binarized:load_digits",
    "binarized_fashion_mnist": "cdae.datasets.binarized:load_fashion_mnist",
    "binarized_mnist": "cdae.datasets.binarized:load_mnist",
    "cifar10": "cdae.datasets.cifar10:load",
    "digits": "cdae.datasets.digits:load",
    "fashion_mnist": "cdae.datasets.images:load_fashion_mnist",
    "frey_faces": "cdae.datasets.frey_faces:load",
    "gaussian_8d": "cdae.datasets.toy:load_gaussian_8d",
    "images": "cdae.datasets.folder:load",
    "mixture_1d": "cdae.datasets.toy:load_mixture_1d",
    "mixture_2d": "cdae.datasets.toy:load_mixture_2d",
    "mnist": "cdae.datasets.images:load_mnist",
    "npz": "cdae.datasets.arrays:load",
    "usps": "cdae.datasets.usps:load",
}

# Of black and white images, which have discrete likelihoods: models with a density of real values are not for them.
BINARIZED = frozenset({"binarized_digits", "binarized_fashion_mnist", "binarized_mnist"})
OWN_LOADER = "cdae.datasets.own:load"

# For loaders that read downloaded files: name -> function of (name, data_root) that raises an error if they are not
# available, and is fast enough to run before any computation.
AVAILABILITY = {
    "binarized_fashion_mnist": "cdae.datasets.binarized:check_available",
    "binarized_mnist": "cdae.datasets.binarized:check_available",
    "cifar10": "cdae.datasets.cifar10:check_available",
    "fashion_mnist": "cdae.datasets.images:check_available",
    "frey_faces": "cdae.datasets.frey_faces:check_available",
    "mnist": "cdae.datasets.images:check_available",
    "usps": "cdae.datasets.usps:check_available",
}


def target_of(name: str) -> str:
    """The "module:function" in this suite that a loader's name leads to.

    Raises:
        KeyError: for an unknown name; the configuration's schema refuses it earlier.
    """
    return OWN_LOADER if ":" in name else LOADERS[name]


def loader(name: str) -> Callable[..., Any]:
    """Import and return the loader of this name.

    Raises:
        KeyError: for an unknown name; the configuration's schema refuses it earlier.
    """
    found = _imported(target_of(name))
    return partial(found, name) if ":" in name else found


def check_available(name: str, data_root: str | None) -> None:
    """Check that the files of a loader are available; a loader without an entry in `AVAILABILITY` passes.

    Raises:
        ValueError: if a file is missing or has another size than expected.
    """
    if name in AVAILABILITY:
        _imported(AVAILABILITY[name])(name, data_root)


def _imported(target: str) -> Callable[..., Any]:
    module, function = target.split(":")
    return getattr(import_module(module), function)
