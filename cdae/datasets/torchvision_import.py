"""The import of `torchvision.datasets` beside any build of torch.

The package index has no CPU build of torchvision, and its compiled operators do not load beside the CPU build of torch.
The import then fails at `torchvision::nms`, an operator that is not needed to read data sets. The import works once the
two missing operators are declared, without an implementation. Where the import works by itself, nothing is declared.
"""

from importlib import import_module
from types import ModuleType

import torch

MISSING_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_declared: list[torch.library.Library] = []  # an operator lives as long as the library object that declared it


def torchvision_datasets() -> ModuleType:
    """Import and return the module `torchvision.datasets`.

    Raises:
        RuntimeError: as torchvision raises it, if the import fails for a reason other than the missing operators.
    """
    try:
        return import_module("torchvision.datasets")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    library = torch.library.Library("torchvision", "DEF")
    _declared.append(library)
    for signature in MISSING_OPERATORS:
        library.define(signature)
    return import_module("torchvision.datasets")
