"""A cascade of flipped pixels in few dimensions, where sums over all states of all levels are exact.

States are the 2^d corners of the cube, in the order of `corners`. The denoiser is a table: row s has the probabilities
of 1 that it gives at corner s.
"""

from itertools import product

import numpy as np


def corners(dim: int) -> np.ndarray:
    """All 2^d black and white images, (2^d, d)."""
    return np.array(list(product([0.0, 1.0], repeat=dim)))


def probabilities(of_one: np.ndarray) -> np.ndarray:
    """Probabilities of all corners, (..., 2^d), of independent pixels that are 1 with probabilities (..., d)."""
    states = corners(of_one.shape[-1])
    pixels = np.where(states == 1.0, of_one[..., None, :], 1.0 - of_one[..., None, :])
    return pixels.prod(-1)


class BitFlipCascade:
    """The exact numbers of a cascade.

    Args:
        denoiser: (2^d, d), probabilities of 1.
        flips: f_1 .. f_k.
        data_mean: (d,).
    """

    def __init__(self, denoiser: np.ndarray, flips: list[float], data_mean: np.ndarray):
        self.flips, self.states = flips, corners(denoiser.shape[1])
        self.prior = probabilities(data_mean * (1 - flips[-1]) + (1 - data_mean) * flips[-1])
        below = [0.0, *flips[:-1]]
        # transitions[i][s, t] = p(x_i = t | x_{i+1} = s)
        self.transitions = [probabilities(denoiser * (1 - f) + (1 - denoiser) * f) for f in below]

    def corrupted(self, x: np.ndarray) -> list[np.ndarray]:
        """q(x_i | x_0 = x) over the corners, for i = 1 .. k."""
        return [probabilities(x * (1 - f) + (1 - x) * f) for f in self.flips]

    def index(self, x: np.ndarray) -> int:
        """Which corner x is."""
        return int(np.flatnonzero((self.states == x).all(1))[0])

    def joint(self, x: np.ndarray) -> np.ndarray:
        """p(x_0 = x, x_1, .., x_k) over all corners of all levels, an array of k axes of length 2^d."""
        p = self.transitions[0][:, self.index(x)]  # over x_1
        for transition in self.transitions[1:]:
            p = p[..., None] * transition.T  # [.., x_i, x_{i+1}]
        return p * self.prior

    def inferred(self, x: np.ndarray) -> np.ndarray:
        """q(x_1, .., x_k | x_0 = x), in the shape of `joint`."""
        q = np.ones(())
        for level in self.corrupted(x):
            q = np.multiply.outer(q, level)
        return q

    def log_prob(self, x: np.ndarray) -> float:
        """log p(x), by the sum over all states."""
        return float(np.log(self.joint(x).sum()))

    def bound(self, x: np.ndarray) -> float:
        """E_q log p(x_0, .., x_k) / q(x_1, .., x_k | x_0), by the sum over all states, before it is rearranged."""
        p, q = self.joint(x), self.inferred(x)
        return float((q * (np.log(p) - np.log(q))).sum())

    def gap(self, x: np.ndarray) -> float:
        """Eq. 10: KL(q(x_1 .. x_k | x_0), p(x_1 .. x_k | x_0))."""
        p, q = self.joint(x), self.inferred(x)
        return float((q * (np.log(q) - np.log(p / p.sum()))).sum())

    def level_kl(self, x: np.ndarray, level: int) -> float:
        """E KL(q(x_i | x_0), p(x_i | x_{i+1})) at level i in 1 .. k-1, by sums over both states."""
        q = self.corrupted(x)
        ratio = np.log(q[level - 1]) - np.log(self.transitions[level])
        return float(q[level] @ (q[level - 1] * ratio).sum(1))
