"""What the jobs of one cell share: its configuration, device and untrained model, and random numbers by purpose."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from baselines.registry import model_class
from cdae.computing.device import choose
from cdae.computing.seeds import generator_from, seed_from
from cdae.data import TrainingSet
from workflow.grid.record import Identity

PROCESSOR = torch.device("cpu")


@dataclass(frozen=True)
class CellJob:
    """One cell as its jobs know it.

    Attributes:
        config: everything that the job depends on, as `workflow.grid.cells` makes it.
    """

    config: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The model's own keys."""
        return self.config["options"]

    @property
    def model_class(self) -> type:
        return model_class(self.options["kind"])

    @cached_property
    def device(self) -> torch.device:
        """Where the cell's tensors live."""
        return choose(self.config.get("device", "cpu"))

    @property
    def identity(self) -> Identity:
        """The cell's name in tables; all kinds of controls are one there."""
        c, kind = self.config, self.options["kind"].split("-")[0]
        return Identity(c["dataset"], c["family"], kind, self.options.get("n_levels"), c["seed"])

    def with_levels(self, relative_std: list[float] | None) -> "CellJob":
        """The cell with these levels as its schedule, where they were chosen by a pilot; as it is where none are given.

        Args:
            relative_std: c_1 .. c_k in units of the data's pooled standard deviation.
        """
        if relative_std is None:
            return self
        return replace(self, config={**self.config, "options": {**self.options, "schedule": relative_std}})

    def generator(self, purpose: str, device: torch.device | None = None) -> torch.Generator:
        """Random numbers of one purpose, on the cell's device or on another."""
        return generator_from(*self._seed_words(), purpose, device=device or self.device)

    def build(self, training_set: TrainingSet) -> nn.Module:
        """The untrained model, on the processor, where its parameters start the same for every device."""
        generator = self.generator("initialisation", PROCESSOR)
        return self.model_class.build(self.options, training_set.to(PROCESSOR), generator=generator)

    def subset_seed(self) -> int:
        """Seed of the random subset of test examples that all models of a data set share."""
        return seed_from(self.config["base_seed"], self.config["dataset"], "test subset")

    def seen_examples_generator(self) -> torch.Generator:
        """Random numbers of the training examples that all models of a data set share, and of their dequantization."""
        words = self.config["base_seed"], self.config["dataset"], "training examples"
        return generator_from(*words, device=self.device)

    def _seed_words(self) -> tuple[str | int, ...]:
        c = self.config
        return c["base_seed"], c["dataset"], c["model"], c["seed"]
