"""A user's own file of samples as a model: it gets its Parzen row beside the others.

Samples must be on the scale of the data, in their order of pixels. The data are those that a Parzen estimate compares
with: levels divided by L - 1, or the real values. What cannot be right is refused, and what may be wrong is warned of,
with an InputWarning each, because a model may simply be poor:

- *far outside* is refused: values whose excess over the data's range has a root mean square above one standard
  deviation of the data, of all pixels together in [0, 1], else about the mean of each dimension. Noise of a poor but
  honest model stays below, even a Gaussian with the data's own variance around black pixels (at most 0.7). Images in
  [-1, 1] instead of [0, 1] are above (1.4 where their mean is 1/2, more where they are darker), levels far above.
- *near outside* is a warning: any value outside [0, 1] where data live there; else more than a twentieth of the values
  outside the range of the training examples at their dimension.
- *another scale within the range* is a warning: a mean further from the data's than one standard deviation, or a
  standard deviation that is not between half and twice the data's.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cdae.data import TrainingSet
from cdae.datasets.arrays import read_array
from cdae.interfaces import InputWarning, SampleSet, SampleVariant

FEW_SAMPLES = 100  # below which a Parzen estimate says little; the usual protocol has 10,000
FAR = 1.0  # standard deviations of the data
ROUNDING = 1e-6  # outside [0, 1], in single precision
NEAR_SHARE = 0.05  # of the values outside the range of the training examples, for data without bounds
TINY = 1e-300  # stands for a standard deviation of zero
BETTER = 4.0  # times as near to the mean of the data, squared, is the mean of samples in another order of pixels


class SampleFile(nn.Module):
    """Samples (m, dim) in the data's units; images in [0, 1]."""

    values: Tensor

    def __init__(self, values: Tensor):
        super().__init__()
        self.register_buffer("values", values, persistent=False)

    @classmethod
    def build(cls, options: dict[str, Any], training_set: TrainingSet, *, generator: torch.Generator) -> "SampleFile":
        """Read `samples` (m, ...) from the npz file at options["path"], and compare them with the data.

        Raises:
            ValueError: if the file is unreadable, or its samples do not fit the data set.
        """
        path = options["path"]
        samples = read_array(path, "samples")
        check_numbers(samples, path)
        data = training_set.pixels().double().numpy()
        flat = in_order(samples, data.shape[1], training_set.image_shape, path).astype(np.float64)
        check_scale(flat, data, training_set, path)
        warn_of_order(flat, data, training_set.image_shape, path)
        warn_of_few(flat, path)
        return cls(torch.from_numpy(flat.astype(np.float32)))

    def sample_sets(self, n_samples: int, *, generator: torch.Generator) -> Iterator[SampleSet]:
        """The first n_samples rows of the file, or all where there are fewer."""
        yield SampleSet(SampleVariant(source="file"), self.values[:n_samples])


def check_numbers(samples: np.ndarray, path: str) -> None:
    """Raise ValueError unless samples are finite real numbers."""
    if samples.dtype.kind != "f":
        raise ValueError(
            f"{path}: samples have dtype {samples.dtype}, expected floats in the data's units; divide levels 0 .. L-1 "
            "by L-1, so that images are in [0, 1]"
        )
    if not np.isfinite(samples).all():
        n_bad = int((~np.isfinite(samples)).sum())
        raise ValueError(f"{path}: {n_bad} values of samples are NaN or infinite, expected finite; repair the sampler")


def in_order(samples: np.ndarray, dim: int, image_shape: tuple[int, ...] | None, path: str) -> np.ndarray:
    """Samples as (m, dim), in the data's order of pixels.

    They may be flat, or have the data's image shape, in grey with an axis of length 1 before or behind, in colour with
    the channels first.

    Raises:
        ValueError: for any other shape.
    """
    shapes, example = [(dim,), *([image_shape] if image_shape else [])], samples.shape[1:] or (1,)
    accepted = [*shapes, *([(1, *image_shape), (*image_shape, 1)] if image_shape and len(image_shape) == 2 else [])]
    if samples.size and example in accepted:
        return samples.reshape(len(samples), dim)
    if samples.size and image_shape and example == (*image_shape[2:], *image_shape[:2]):
        return np.moveaxis(samples, 1, 3).reshape(len(samples), dim)
    expected = " or ".join(f"(m, {', '.join(map(str, shape))})" for shape in shapes)
    raise ValueError(f"{path}: samples have shape {samples.shape}, expected {expected}; give every sample that shape")


def check_scale(samples: np.ndarray, data: np.ndarray, training_set: TrainingSet, path: str) -> None:
    """Raise ValueError for samples far outside the data's range, and warn of those near outside or on another scale."""
    low, high = (0.0, 1.0) if training_set.unit_interval else (data.min(0), data.max(0))
    std = data.std() if training_set.unit_interval else np.sqrt(data.var(0).mean())
    excess = np.maximum(np.maximum(low - samples, samples - high), 0.0)
    share, advice = (excess > ROUNDING).mean(), likely_scale(samples, data, training_set)
    got = (
        f"{path}: samples lie in [{samples.min():.4g}, {samples.max():.4g}] with mean {samples.mean():.4g} and std "
        f"{samples.std():.4g}, {share:.1%} of their values outside the data's range; expected the data's scale, "
        f"[{np.min(low):.4g}, {np.max(high):.4g}] with mean {data.mean():.4g} and std {data.std():.4g}; {advice}"
    )
    if np.sqrt(np.square(excess).mean()) > FAR * std:
        raise ValueError(got)
    allowed = 0.0 if training_set.unit_interval else NEAR_SHARE
    is_elsewhere = abs(samples.mean() - data.mean()) > data.std()
    is_wider = not 0.5 * data.std() <= samples.std() <= 2.0 * data.std()
    if share > allowed or (len(samples) > 1 and (is_elsewhere or is_wider)):
        warnings.warn(got, InputWarning, stacklevel=2)


def likely_scale(samples: np.ndarray, data: np.ndarray, training_set: TrainingSet) -> str:
    """What to do to samples: the usual map that takes their mean and standard deviation nearest to the data's."""
    top, is_image = (training_set.n_intensity_levels or 256) - 1, training_set.unit_interval
    mean, std, low, high = data.mean(), data.std(), samples.min(), samples.max()
    maps = [
        (True, "rescale them, if their scale is another", 1.0, 0.0),
        (low < 0, f"if they are standardized, save {std:.4g} * samples + {mean:.4g}", std, mean),
        (
            is_image and -1.5 < low < data.min() and samples.std() > std,
            "if they are in [-1, 1], save (samples + 1) / 2",
            0.5,
            0.5,
        ),
        (is_image and high > 1.5, f"if they are levels 0 .. {top}, save samples / {top}", 1.0 / top, 0.0),
        (is_image and high > 1.5, "if they are levels 0 .. 255, save samples / 255", 1.0 / 255.0, 0.0),
        (is_image and high < 0.01, "if they were divided by 255 twice, save 255 * samples", 255.0, 0.0),
    ]

    def distance(factor: float, shift: float) -> float:
        ratio = max(factor * samples.std(), TINY) / max(std, TINY)
        return abs(np.log(ratio)) + abs(factor * samples.mean() + shift - mean) / max(std, TINY)

    return min((distance(*numbers), advice) for is_possible, advice, *numbers in maps if is_possible)[1]


def warn_of_order(samples: np.ndarray, data: np.ndarray, image_shape: tuple[int, ...] | None, path: str) -> None:
    """Warn if the mean sample is much nearer to the mean of the data with rows and columns, or channels, exchanged."""
    if image_shape is None:
        return
    mean, expected = samples.mean(0), data.mean(0)
    channels, transposed = image_shape[2:], (image_shape[1], image_shape[0], *image_shape[2:])
    others = {"with rows and columns exchanged": mean.reshape(transposed).swapaxes(0, 1)}
    if channels:
        others["with channels first"] = np.moveaxis(mean.reshape(*channels, *image_shape[:2]), 0, 2)
    found = np.square(mean - expected).sum()
    for order, other in others.items():
        if found > BETTER * np.square(other.reshape(-1) - expected).sum():
            warnings.warn(
                f"{path}: the mean of the samples is much nearer to the data's if they are read {order}; expected "
                f"pixels in the order {image_shape}, rows first; save them in this order",
                InputWarning,
                stacklevel=2,
            )


def warn_of_few(samples: np.ndarray, path: str) -> None:
    """Warn of samples too few for a Parzen estimate, and of exact copies, which no continuous sampler draws."""
    if len(samples) < FEW_SAMPLES:
        warnings.warn(
            f"{path}: holds {len(samples)} sample{'s' if len(samples) > 1 else ''}, expected {FEW_SAMPLES} at least; a "
            "Parzen estimate of so few says little about a model",
            InputWarning,
            stacklevel=2,
        )
    n_distinct = len({hash(row.tobytes()) for row in samples})
    if n_distinct < len(samples):
        warnings.warn(
            f"{path}: {len(samples) - n_distinct} of {len(samples)} samples are exact copies of others, expected all "
            "different; check the sampler, or whether the file was put together twice",
            InputWarning,
            stacklevel=2,
        )
