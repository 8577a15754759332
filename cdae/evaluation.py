"""Every estimator of an evaluation that fits a model in memory: values per example, in nats.

Not here: both sides of log p(x), and what may be claimed of them (`certification`).
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from cdae.data import EvaluationSet, TrainingSet
from cdae.estimators.catalogue import ESTIMATORS, estimators_for
from cdae.in_memory import adopted, at_rest, check_examples, check_generator, in_precision_of, methods_written
from cdae.interfaces import Estimate
from cdae.purposes import by_purpose
from cdae.statistics import mean_and_error
from cdae.text_table import text_table

HEAD = ("estimator", "mean in nats ± standard error", "examples")


@dataclass(frozen=True)
class Estimates:
    """Estimates of one model by the names of their estimators, which may yield several variants; printed as a table."""

    by_name: dict[str, list[Estimate]]

    def __str__(self) -> str:
        return text_table([HEAD, *self._lines()])

    def _lines(self) -> Iterator[tuple[str, ...]]:
        for name, estimates in self.by_name.items():
            for estimate in estimates:
                mean, error = mean_and_error(estimate.values)
                label = ", ".join(part for part in (name, estimate.variant) if part)
                yield label, f"{mean:.2f} ± {error:.2f}", str(len(estimate.values))


def evaluate(
    model: Any,
    x: Tensor,
    *,
    validation_examples: Tensor | None = None,
    n_draws: int = 10,
    n_importance_samples: int = 100,
    n_samples: int = 10_000,
    generator: torch.Generator,
) -> Estimates:
    """Run the estimators of `estimators.catalogue` that a model has the methods for, on all examples.

    Args:
        model: any object; `cdae.interfaces` has the methods.
        x: test examples (n, dim), at least 2, on the data's scale and the model's device.
        validation_examples: (v, dim). They choose the bandwidth of Parzen windows; without them there are none. Its
            unit is 1 if they lie in [0, 1], else their standard deviation.
        n_draws: of the latents, for each example's lower bound.
        n_importance_samples: M of IW-M.
        n_samples: of the model, for Parzen windows.

    Raises:
        ValueError: if no estimator fits, or the model, the examples or the generator cannot be used.
    """
    check_examples("x", x, 2)
    check_generator(generator, x)
    x = in_precision_of(model, x)
    own, draws = adopted(model, x), by_purpose(generator)
    names = [name for name in estimators_for(type(own)) if name != "parzen" or validation_examples is not None]
    if not names:
        raise ValueError(_nothing_fits(model))
    settings: dict[str, dict[str, Any]] = {
        "lower_bound": {"n_draws": n_draws},
        "markov_bound": {"n_draws": n_draws},
        "importance_weighted": {"n_importance_samples": n_importance_samples, "n_points": len(x), "subset_seed": 0},
        "parzen": {"n_samples": n_samples},
    }
    data = _evaluation_set(x, validation_examples)
    with at_rest(model), torch.no_grad():
        return Estimates({
            name: [*ESTIMATORS[name].estimate(own, data, settings.get(name, {}), generator=draws(name))]
            for name in tqdm(names, desc="evaluate", unit="estimator", file=sys.stderr, disable=None)
        })  # fmt: skip


def _evaluation_set(x: Tensor, validation: Tensor | None) -> EvaluationSet:
    """The examples as they are, with the validation examples in the place of training examples, which none needs."""
    if validation is None:
        return EvaluationSet(x, x, x[:0], None, 1.0, TrainingSet(x[:0]))
    check_examples("validation_examples", validation, 2)
    held = TrainingSet(validation)
    in_unit_interval = bool(validation.min() >= 0.0 and validation.max() <= 1.0)
    return EvaluationSet(x, x, validation, None, 1.0 if in_unit_interval else held.summary().pooled_std, held)


def _nothing_fits(model: Any) -> str:
    found = sorted(methods_written(model)) or ["none of the methods that estimators call"]
    return (
        f"{type(model).__name__}: got a model with {', '.join(found)}, expected log_prob, or infer with bound_terms or "
        "log_weights, or sample, sample_x or simulate together with validation_examples; add what is missing, or "
        "call certify for a decoder"
    )
