"""Training examples in the place of the test split: distinct, random, dequantized afresh."""

import pytest
import torch

from cdae.data import EvaluationSet, TrainingSet
from cdae.seen_examples import with_seen_examples
from tests.helpers import seeded

LEVELS = TrainingSet(torch.arange(60, dtype=torch.uint8).reshape(30, 2), 256, unit_interval=True)


def data_with(training: TrainingSet) -> EvaluationSet:
    test = torch.zeros(3, 2)
    return EvaluationSet(test, test, test, torch.zeros(3), 1.0, training)


def test_examples_are_distinct_random_training_examples_within_their_levels():
    data = with_seen_examples(data_with(LEVELS), 12, generator=seeded(0))
    rows = [tuple(row) for row in (data.examples * 256).floor().tolist()]
    assert len(set(rows)) == 12 and set(rows) <= {tuple(map(float, row)) for row in LEVELS.values.tolist()}
    assert rows != sorted(rows) and data.log_density is None
    fraction = data.examples * 256 - (data.examples * 256).floor()
    assert 0.2 < fraction.mean() < 0.8 and len(fraction.unique()) > 12  # dequantized afresh
    torch.testing.assert_close(data.pixels * 255, (data.examples * 256).floor())


def test_examples_follow_their_generator_and_are_all_where_there_are_fewer():
    one, same, other = (with_seen_examples(data_with(LEVELS), 12, generator=seeded(s)).examples for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    values = torch.randn(8, 2, generator=seeded(2))
    everything = with_seen_examples(data_with(TrainingSet(values)), 1_000, generator=seeded(0)).examples
    assert sorted(everything.tolist()) == sorted(values.tolist())
    with pytest.raises(ValueError, match="n_points: got 0, expected at least 1"):
        with_seen_examples(data_with(LEVELS), 0, generator=seeded(0))
