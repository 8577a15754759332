"""A user's own file of samples as a model: it gets its Parzen row beside the others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.datasets.arrays import read_array
from cdae.interfaces import SampleSet, SampleVariant


class SampleFile(nn.Module):
    """Samples (m, dim) in the data's units; images in [0, 1]."""

    values: Tensor

    def __init__(self, values: Tensor):
        super().__init__()
        self.register_buffer("values", values, persistent=False)

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "SampleFile":
        """Read `samples` (m, ...) from the npz file at options["path"].

        Raises:
            ValueError: if the file is unreadable, or its samples do not fit the data set.
        """
        path, dim = options["path"], training_set.values[0].numel()
        samples = read_array(path, "samples")
        if samples.size == 0 or samples.ndim == 0 or samples[0].size != dim:
            raise ValueError(f"{path}: samples have shape {samples.shape}, expected (m, ...) with {dim} values each")
        if not np.issubdtype(samples.dtype, np.floating) or not np.isfinite(samples).all():
            raise ValueError(f"{path}: samples must be finite floats in the data's units (images in [0, 1])")
        return cls(torch.from_numpy(samples.reshape(len(samples), dim).astype(np.float32)))

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """The first n_samples rows of the file, or all where there are fewer."""
        yield SampleSet(SampleVariant(source="file"), self.values[:n_samples])
