"""How many examples go through a network together: enough to keep it busy, few enough for the cache and the memory.

Constants, because results depend on them: the order of random numbers, and sums in their last bits.
"""

from typing import Any

from cdae.interfaces import Leveled

EXAMPLES = 1_000
PASSES = 16_000  # of all levels: at most 64 MB for a layer of 1,000 units


def passes_per_example(model: Any) -> int:
    """Through the network: k of a cascade, 1 of a model without levels."""
    return model.n_levels if isinstance(model, Leveled) else 1


def examples_at_once(model: Any) -> int:
    """Rows of data whose copies at all levels are held together."""
    return max(1, min(EXAMPLES, PASSES // passes_per_example(model)))
