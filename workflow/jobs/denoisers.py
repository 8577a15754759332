"""The squared errors of denoisers at every level, on training examples and on others."""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from cdae.corruption import NoiseSchedule
from cdae.estimators.progress import to_stderr
from cdae.interfaces import Layered
from cdae.quality.denoising import Denoise, best_linear, best_of, denoiser_of, squared_errors
from cdae.statistics import mean_and_error
from workflow.grid.quality_record import DENOISING, QualityRow
from workflow.grid.record import FAILED
from workflow.jobs.labelled_examples import LabelledExamples

BEST_LINEAR, BEST_OF_TRAINING = "best linear", "best of the training set"  # controls
SPLITS = {"test": "relative_mse", "train": "relative_mse_train"}


class Denoisers:
    """The examples of one data set and their noise, the same for all of its denoisers."""

    def __init__(self, examples: LabelledExamples):
        self.examples, self.settings = examples, examples.settings["denoising"]
        self.seen = examples.data.training.draw(generator=examples.generator("denoising"))
        self.unit = examples.data.training.summary().pooled_std
        self.x = {"test": self._some(examples.data.examples, "test"), "train": self._some(self.seen, "train")}
        first, last = (self.unit * self.settings[name] for name in ("first_std", "last_std"))
        self.levels = list(NoiseSchedule.geometric(self.settings["n_levels"], first, last).corruption_std[1:])

    def rows(self, model: torch.nn.Module) -> list[QualityRow]:
        """A row for every level; none of a model without a denoiser."""
        found = denoiser_of(model, self.levels)
        own = {"own_last_std": model.corruption_std[-1].item() / self.unit} if isinstance(model, Layered) else {}
        return [] if found is None else list(self._rows(*found, "", own))

    def controls(self) -> Iterator[QualityRow]:
        """The best linear denoiser, and the best one of the training set."""
        yield from self._rows(self.levels, best_linear(self.seen), BEST_LINEAR)
        yield from self._rows(self.levels, best_of(self.seen), BEST_OF_TRAINING)

    def _rows(
        self, levels: list[float], denoise: Denoise, variant: str, own: Mapping[str, float] = MappingProxyType({})
    ) -> Iterator[QualityRow]:
        errors = {split: self._errors(denoise, x, levels, split) for split, x in self.x.items()}
        counts = {"n_examples": len(self.x["test"]), "n_train_examples": len(self.x["train"])}
        for i, c in enumerate(levels):
            measures = {"relative_std": c / self.unit, **own}
            for split, name in SPLITS.items():
                measures[name], measures[f"{name}_standard_error"] = mean_and_error(errors[split][i])
            known = {"estimator": DENOISING, "variant": variant, "counts": counts}
            if all(math.isfinite(value) for value in measures.values()):
                yield QualityRow(measures=measures, **known)
            else:
                yield QualityRow(status=FAILED, reason=f"errors at level {c / self.unit:.3g} not finite", **known)

    def _errors(self, denoise: Denoise, x: Tensor, levels: list[float], split: str) -> Tensor:
        """In units of the data's pooled variance."""
        to_stderr(f"denoising: {len(x)} {split} examples, {len(levels)} levels")
        generator = self.examples.generator(f"denoising, {split}")
        return squared_errors(denoise, x, levels, generator=generator) / self.unit**2

    def _some(self, x: Tensor, split: str) -> Tensor:
        generator = self.examples.generator(f"examples of denoising, {split}")
        return x[torch.randperm(len(x), generator=generator, device=x.device)[: self.settings["n_examples"]]]
