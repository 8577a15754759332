"""`torchvision.datasets`, whichever build of torch stands beside it.

The package index has no CPU build of torchvision, and beside the CPU build of torch its compiled operators do not
load: importing it then fails on `torchvision::nms`, an operator that reading a data set never calls. Declaring the two
missing operators, without an implementation, lets the import pass. Nothing is declared where the native import works.
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
    """The module `torchvision.datasets`.

    Raises:
        RuntimeError: if the import fails for any other reason than the missing operators, unchanged.
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
