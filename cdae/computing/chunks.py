"""The number of examples that pass through a network together, chosen for speed and limited memory.

The numbers are constants, because results depend on them: they set the order of random numbers and of sums.
"""

from typing import Any

from cdae.interfaces import Leveled

EXAMPLES = 1_000
PASSES = 16_000  # examples times levels: at most 64 MB for a layer of 1,000 units


def passes_per_example(model: Any) -> int:
    """Return the number of passes of one example through the network: k for a cascade, 1 for a model without levels."""
    return model.n_levels if isinstance(model, Leveled) else 1


def examples_at_once(model: Any) -> int:
    """Return the number of examples, at least 1, whose copies at all levels are held in memory together."""
    return max(1, min(EXAMPLES, PASSES // passes_per_example(model)))
