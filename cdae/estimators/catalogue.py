"""The estimators of an evaluation by name: what each needs of a model, and where else it runs.

Which estimator runs on which model follows from the methods that the model has. Not here: what tables and figures say
of an estimator, which is computed nowhere (`workflow.tables.estimators`). A user's own estimator has its import path
in its settings, under `kind`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cdae.estimators import estimates, own
from cdae.estimators.markov import Corrupting
from cdae.interfaces import Bounded, Estimate, Samples, Tractable, Weighted


@dataclass(frozen=True)
class Entry:
    """One estimator.

    Attributes:
        protocol: the methods that it needs of a model.
        estimate: called as estimate(model, data, settings, generator=...), yields one `Estimate` per variant.
        on_training_examples: whether it is also computed on training examples, for the gap between training and test.
        on_snapshots: whether it is also computed at the snapshots that training keeps on its way.
        model_suffix: what the model's name is followed by where the values belong to another model made of it.
        is_held_to_exact: whether values that lie above the exact log density of the data, on average, are wrong.
    """

    protocol: type
    estimate: Callable[..., Iterable[Estimate]]
    on_training_examples: bool = False
    on_snapshots: bool = False
    model_suffix: str = ""
    is_held_to_exact: bool = True


ESTIMATORS: dict[str, Entry] = {
    "exact": Entry(Tractable, estimates.exact, on_training_examples=True),
    "lower_bound": Entry(Bounded, estimates.lower_bound, on_training_examples=True, on_snapshots=True),
    "markov_bound": Entry(Corrupting, estimates.markov_lower_bound, on_training_examples=True, model_suffix="-markov"),
    "importance_weighted": Entry(Weighted, estimates.importance_weighted, on_snapshots=True),
    "parzen": Entry(Samples, estimates.parzen_window),
}


def entry(name: str, settings: dict[str, Any]) -> Entry:
    """The entry of a configured estimator, or that of a user's own, of which its settings say whether it is held."""
    if "kind" not in settings:
        return ESTIMATORS[name]
    return Entry(object, own.configured, is_held_to_exact=settings["is_held_to_exact"])


def estimators_for(model_class: type) -> list[str]:
    """Names of the estimators that a class of models has the methods for, in the order of the catalogue."""
    return [name for name, entry in ESTIMATORS.items() if issubclass(model_class, entry.protocol)]
