"""Training examples in the place of test examples: what a model scores on data that it has seen.

The examples are a random draw without repetition, dequantized afresh where they are levels, so the model has seen the
levels and not these values. Not here: the estimators, which take them as they take any data (`estimators`).
"""

from dataclasses import replace

import torch

from cdae.data import EvaluationSet


def with_seen_examples(data: EvaluationSet, n_points: int, *, generator: torch.Generator) -> EvaluationSet:
    """Put up to `n_points` training examples in the place of `data.examples`; their exact log density is not known.

    Raises:
        ValueError: if n_points is below 1.
    """
    if n_points < 1:
        raise ValueError(f"n_points: got {n_points}, expected at least 1")
    training = data.training
    chosen = torch.randperm(len(training), generator=generator, device=training.values.device)[:n_points]
    seen = replace(training, values=training.values[chosen])
    return replace(data, examples=seen.draw(generator=generator), pixels=seen.pixels(), log_density=None)
