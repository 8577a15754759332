"""A user's own model by its import path, as a model of this suite.

The user's object is wrapped by `cdae.own_model`. Outside of its loss the object is in evaluation mode, so dropout and
batch norm do not act. Not here: which methods there are (`own_methods`), and how the object is built (`own_object`).
"""

from functools import cache
from typing import Any, ClassVar

import torch
from torch import nn

from baselines.own_methods import TRAINING, offered, target_of
from baselines.own_object import check_object, own_object
from baselines.own_weights import load_weights
from cdae.data import TrainingSet
from cdae.import_path import ImportPath
from cdae.interfaces import Fitted, Simulates
from cdae.own_model import OwnModel, methods_of

PROBES = 2  # examples that are simulated where a model is built, and thrown away


class ConfiguredModel(OwnModel):
    """A user's object that is built from a configuration."""

    target: ClassVar[ImportPath]

    @classmethod
    def build(
        cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator
    ) -> "ConfiguredModel":
        """Build the user's object from `options`, read its `weights` if there are any, and wrap it.

        Args:
            options: the keys of the model in the configuration: `kind`, and possibly `options`, `weights`, `training`.

        Raises:
            ValueError: in one line, if the object cannot be built, or is not what its source says.
        """
        made = own_object(cls.target, options.get("options", {}), training_set, generator=generator)
        names = offered(cls.target).names
        if "weights" in options:
            load_weights(made, options["weights"])
            names -= TRAINING
        check_object(cls.target, made, names, has_weights="weights" in options)
        if isinstance(made, nn.Module):
            made.eval()
        model = _class_of(cls.target, names)(made, training_set.values.shape[1], binarized=training_set.binarized)
        if isinstance(model, Simulates) and not isinstance(model, Fitted):
            model.simulate(
                PROBES, generator=torch.Generator().manual_seed(0)
            )  # what is wrong with it shows before a run
        return model


def own_model(kind: str) -> type:
    """The class of a user's model, without running any of the user's code.

    Raises:
        ValueError: if the source cannot be found or read.
    """
    target = target_of(kind)
    return _class_of(target, offered(target).names)


@cache
def _class_of(target: ImportPath, names: frozenset[str]) -> type[ConfiguredModel]:
    """A class with these methods of a Protocol and no other."""
    methods = methods_of(names, offered(target).written)
    return type(target.name, (ConfiguredModel,), {"target": target, "label": str(target), **methods})
