"""The cards of all estimators of a configuration: the suite's, and one for every estimator of a user."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from workflow.grid.own_estimators import OwnEstimator, own_estimators
from workflow.tables.estimators import CARDS, Card, Cards, Mark, Settings


def cards_of(settings: dict[str, Settings]) -> Cards:
    """Cards by name; those of users follow the suite's.

    Args:
        settings: the part `estimators` of a configuration.
    """
    return CARDS | {name: _card(own) for name, own in own_estimators(settings)}


def _card(own: OwnEstimator) -> Card:
    sentence: Callable[[Settings], str] = partial(_sentence, own)
    marks = {} if own.mark is None else {"": Mark(*own.mark)}
    return Card(own.claim, title=own.title, evaluated=sentence, in_bits=own.in_bits, marks=marks)


def _sentence(own: OwnEstimator, settings: Settings) -> str:
    """The user's sentence, the size of the subset, and where the code is, without the folders of this machine."""
    where = f"{Path(own.target.where).name if own.target.is_file else own.target.where}:{own.target.name}"
    points = f", on at most {settings['n_points']:,} random test points" if "n_points" in settings else ""
    return f"{own.sentence_with(settings.get('options', {}))}{points}; a user's own estimator, {where}"
