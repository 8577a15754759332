"""A U-Net of one example in float64, by SciPy's correlations, from its weights by name."""

from math import gcd

import numpy as np
from scipy.signal import correlate2d

Weights = dict[str, np.ndarray]


def unet(p: Weights, image: np.ndarray, conditions: np.ndarray, n_resolutions: int) -> np.ndarray:
    """The image (h, w, colours) that the network makes of one, (h, w, colours)."""
    height, width, _ = image.shape
    step = 2 ** (n_resolutions - 1)
    x = np.zeros((image.shape[2], -(-height // step) * step, -(-width // step) * step))
    x[:, :height, :width] = np.moveaxis(image, 2, 0)
    x = convolved(p, "enter", x)
    across = []
    for i in range(n_resolutions - 1):
        across.append(block(p, f"down.{i}", x, conditions))
        x = convolved(p, f"shrink.{i}", across[-1])[:, ::2, ::2]
    x = block(p, "bottom", x, conditions)
    for i in range(n_resolutions - 1):
        wide = convolved(p, f"widen.{i}", np.kron(x, np.ones((1, 2, 2))))
        x = block(p, f"up.{i}", np.concatenate([wide, across[n_resolutions - 2 - i]]), conditions)
    x = convolved(p, "leave.2", silu(normalized(p, "leave.0", x)))
    return np.moveaxis(x, 0, 2)[:height, :width]


def block(p: Weights, name: str, x: np.ndarray, conditions: np.ndarray) -> np.ndarray:
    inner = convolved(p, f"{name}.conv_1", silu(normalized(p, f"{name}.norm_1", x)))
    if len(conditions):
        inner = inner + (p[f"{name}.shift.weight"] @ conditions + p[f"{name}.shift.bias"])[:, None, None]
    inner = convolved(p, f"{name}.conv_2", silu(normalized(p, f"{name}.norm_2", inner)))
    return inner + (convolved(p, f"{name}.across", x) if f"{name}.across.weight" in p else x)


def convolved(p: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """The same size as x, with zeros around it."""
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    return np.stack(
        [
            sum(correlate2d(x[i], kernel, mode="same") for i, kernel in enumerate(kernels)) + b
            for kernels, b in zip(weight, bias, strict=True)
        ]
    )


def normalized(p: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """Up to eight groups of channels with mean 0 and variance 1, but for 1e-5, and each channel rescaled."""
    groups = x.reshape(gcd(8, len(x)), -1)
    centred = groups - groups.mean(1, keepdims=True)
    scaled = (centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)).reshape(x.shape)
    return scaled * p[f"{name}.weight"][:, None, None] + p[f"{name}.bias"][:, None, None]


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1.0 + np.exp(-x))
