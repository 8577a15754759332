"""A user's own file of samples as a model: it gets its Parzen row beside the others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.datasets.arrays import read_array
from cdae.interfaces import SampleSet


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
        flat = samples.reshape(len(samples), -1) if samples.ndim >= 2 else samples[:, None]
        if len(flat) == 0 or flat.shape[1] != dim:
            raise ValueError(f"{path}: samples have shape {samples.shape}, expected (m, ...) with {dim} values each")
        if not np.issubdtype(flat.dtype, np.floating) or not np.isfinite(flat).all():
            raise ValueError(f"{path}: samples must be finite floats in the data's units (images in [0, 1])")
        return cls(torch.from_numpy(flat.astype(np.float32)))

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """The first n_samples rows of the file, or all where there are fewer."""
        yield SampleSet("file", self.values[:n_samples])
