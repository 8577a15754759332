"""How the chains of one model mix between classes, and what independent samples in their place give."""

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cdae.data import TrainingSet
from cdae.estimators.progress import Progress, to_stderr
from cdae.interfaces import Chained, Samples
from cdae.quality import mixing
from cdae.quality.classifier import as_real
from cdae.quality.judge import Judge
from workflow.grid.quality_record import MIXING, QualityRow
from workflow.grid.record import FAILED
from workflow.jobs.process import reason


class Chains:
    """Chains of one size, and the classifier that tells the class of a state.

    Args:
        settings: n_chains and n_steps.
        generator: random numbers by purpose.
    """

    def __init__(
        self,
        judge: Judge,
        training: TrainingSet,
        settings: dict[str, int],
        generator: Callable[[str], torch.Generator],
    ):
        self.judge, self.training, self.generator = judge, training, generator
        self.n_chains, self.n_steps = settings["n_chains"], settings["n_steps"]

    def rows(self, model: torch.nn.Module) -> list[QualityRow]:
        """Of a model with a chain, chains from data and from noise; of another, its independent samples.

        A model that gives fewer samples than there are states has no row.
        """
        if isinstance(model, Chained):
            return [self._of_chain(model, origin) for origin in ("data", "noise")]
        return self._of_samples(model) if isinstance(model, Samples) else []

    def _of_chain(self, model: Chained, origin: str) -> QualityRow:
        generator = self.generator(f"mixing from {origin}")
        if origin == "data":
            start = self._examples(generator)
        else:
            start = model.noise_starts(self.n_chains, generator=generator)

        def probabilities() -> np.ndarray:
            step, progress = partial(model.step, generator=generator), _lines_of(f"from {origin}")
            return mixing.walk(step, start.float(), self.n_steps, self._probabilities, progress)

        return self._row(probabilities, f"from {origin}", last_step="sample", chain_start=origin)

    def _of_samples(self, model: Samples) -> list[QualityRow]:
        n, rows = self.n_chains * self.n_steps, []
        to_stderr(f"mixing: draw {n} independent samples")
        for samples in model.sample_sets(n, generator=self.generator("mixing of independent samples")):
            values, variant = samples.values[:n].float(), samples.variant
            if len(values) == n:
                probabilities = partial(self._apart, values)
                rows.append(self._row(probabilities, f"independent, {variant.words}", last_step=variant.last_step))
        return rows

    def _apart(self, values: Tensor) -> np.ndarray:
        """The probabilities of independent samples, as if they were states of chains."""
        if not values.isfinite().all():
            raise ArithmeticError(f"{int((~values.isfinite()).any(1).sum())} of {len(values)} samples not finite")
        return self._probabilities(values).double().cpu().numpy().reshape(self.n_steps, self.n_chains, -1)

    def _examples(self, generator: torch.Generator) -> Tensor:
        """Random training examples, dequantized; the same one may start several chains."""
        examples = self.training.draw(generator=generator)
        chosen = torch.randint(len(examples), (self.n_chains,), generator=generator, device=examples.device)
        return examples[chosen]

    def _probabilities(self, states: Tensor) -> Tensor:
        return self.judge.classifier.probabilities(as_real(states, self.judge.n_intensity_levels))

    def _row(self, probabilities: Callable[[], np.ndarray], variant: str, **fields: Any) -> QualityRow:
        """The row of chains with these class probabilities; what is wrong with them is its reason."""
        known = {
            "estimator": MIXING,
            "variant": variant,
            "counts": {"n_chains": self.n_chains, "n_steps": self.n_steps},
        }
        try:
            states = probabilities()
            _lines_of(variant)("measure")
            found = mixing.summary(states)
        except ArithmeticError as error:
            traceback.print_exc()
            return QualityRow(status=FAILED, reason=reason(error), **known, **fields)
        return QualityRow(
            measures={name: value for name, value in found.items() if np.isfinite(value)}, **known, **fields
        )


def _lines_of(variant: str) -> Progress:
    """Lines of progress that say which chains they are of."""
    return lambda line: to_stderr(f"mixing, {variant}: {line}")
