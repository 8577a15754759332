"""Controls: the training samples are the training set. The Gaussians are tested in test_controls_images."""

import torch

from baselines.controls import TrainingSamplesControl
from cdae.data import TrainingSet
from tests.helpers import seeded

LEVELS = TrainingSet(torch.randint(0, 5, (50, 3), generator=seeded(0), dtype=torch.uint8), 5, unit_interval=True)


def test_training_samples_are_training_examples_each_at_most_once_in_random_order():
    values = torch.arange(60.0).reshape(20, 3)
    model = TrainingSamplesControl.build({}, TrainingSet(values), generator=seeded(3))
    (some,) = model.sample_sets(12, generator=seeded(4))
    (everything,) = model.sample_sets(1_000, generator=seeded(4))
    assert len({tuple(row) for row in some.values.tolist()}) == 12
    assert sorted(everything.values.tolist()) == values.tolist()
    assert everything.values.tolist() != values.tolist()
    (others,) = model.sample_sets(12, generator=seeded(5))
    assert not torch.equal(some.values, others.values)


def test_training_samples_are_pixels_without_dequantization():
    model = TrainingSamplesControl.build({}, LEVELS, generator=seeded(6))
    assert set(model.values.flatten().tolist()) == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert model.state_dict() == {}
