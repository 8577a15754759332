"""What a certification works with: its settings, random numbers by purpose, and a place for what is finished.

Not here: where that place is. A job keeps parts on disk; a call from Python keeps nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cdae.estimators.progress import Progress, to_stderr

Arrays = dict[str, np.ndarray]


def computed(name: str, compute: Callable[[], Arrays]) -> Arrays:
    """A part that is computed whenever it is asked for."""
    return compute()


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all estimators of one model share.

    Attributes:
        settings: sizes of the estimators, as under the key `certify` of a configuration.
        generator: gives the random numbers of a purpose, always the same ones.
        keep: called with the name of a part and a function that computes it; returns the part.
        progress: called with one line at a time.
    """

    settings: dict[str, Any]
    generator: Callable[[str], torch.Generator]
    keep: Callable[[str, Callable[[], Arrays]], Arrays] = computed
    progress: Progress = to_stderr
