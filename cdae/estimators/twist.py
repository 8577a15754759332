"""What is known of a state from below, as a Gaussian likelihood of low rank, and draws from the product with a normal.

A state in units of its own transition, u = x / sigma, has the density N(u; y, I) given the state above. Its likelihood,
that of everything below it, is taken to be

    log f(u) = c . V^T u - 1/2 (V^T u) . l (V^T u) + constant,        V^T V = I, l >= 0

so that the product of both is N(y + V m, I + V (b^2 - 1) V^T), with m = (c - l V^T y) / (1 + l), b^2 = 1 / (1 + l). A draw of it
is an affine function of y and of z ~ N(0, I),

    u = y + z + V w,        w = (b - 1) V^T z + m

whatever V, l and c are, this is a normalised density, and its log ratio to N(u; y, I) needs the few numbers of w alone:
no large terms cancel. Integrated over u, the likelihood of y is of the same kind, with l / (1 + l) and c / (1 + l).
Not here: where the likelihood comes from (`gaussian_base`), and what the states are (`whitened`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

N_ITERATIONS = 3  # of the subspace that the largest information lies in


@dataclass(frozen=True)
class Twist:
    """A likelihood of n points, each with directions of its own.

    States come as rows, copies x n of them: row i belongs to point i mod n.

    Attributes:
        basis: V, orthonormal columns.
        information: l, at least 0.
        shift: c.
    """

    basis: Float[Tensor, "n dim rank"]
    information: Float[Tensor, "n rank"]
    shift: Float[Tensor, "n rank"]

    def draw(
        self, z: Float[Tensor, "rows dim"], mean: Float[Tensor, "rows dim"] | None
    ) -> tuple[Float[Tensor, "rows dim"], Float[Tensor, "rows"]]:
        """u, and log of the drawn density over N(u; mean, I) there, in nats; no mean is a mean of 0."""
        along_z, along_mean = self._along(z), None if mean is None else self._along(mean)
        move = self._rescaled(along_z) + self._offset(along_mean)
        log_ratio = (along_z * move + 0.5 * move.square()).double().sum(-1).reshape(-1, len(self.basis))
        log_ratio = log_ratio + 0.5 * self.information.double().log1p().sum(-1)
        u = z + self._back(move)
        return (u if mean is None else mean + u), log_ratio.reshape(-1)

    def whiten(self, u: Float[Tensor, "rows dim"], mean: Float[Tensor, "rows dim"] | None) -> Float[Tensor, "rows dim"]:
        """The z that `draw` makes u of."""
        residual = u if mean is None else u - mean
        along = self._along(residual)
        along_z = (along - self._offset(None if mean is None else self._along(mean))) * self._widths()
        return residual - self._back(along - along_z)

    def passed_on(self) -> tuple[Float[Tensor, "n rank dim"], Float[Tensor, "n rank"]]:
        """F and a of the likelihood of the mean, log f(y) = a . F y - 1/2 |F y|^2, after integration over u."""
        information = self.information.clamp(min=torch.finfo(self.information.dtype).tiny ** 0.5)
        factor = (information / (1.0 + information)).sqrt()
        return factor[:, :, None] * self.basis.mT, self.shift / (information * (1.0 + information)).sqrt()

    def _widths(self) -> Float[Tensor, "n rank"]:
        return (1.0 + self.information).sqrt()

    def _rescaled(self, along_z: Float[Tensor, "copies n rank"]) -> Float[Tensor, "copies n rank"]:
        return along_z * (self._widths().reciprocal() - 1.0)

    def _offset(self, along_mean: Tensor | None) -> Tensor:
        """m, (n, rank) without a mean."""
        pull = self.shift if along_mean is None else self.shift - self.information * along_mean
        return pull / (1.0 + self.information)

    def _along(self, rows: Float[Tensor, "rows dim"]) -> Float[Tensor, "copies n rank"]:
        """V^T of every row."""
        n, dim, _ = self.basis.shape
        return (rows.reshape(-1, n, dim).transpose(0, 1) @ self.basis).transpose(0, 1)

    def _back(self, along: Float[Tensor, "copies n rank"]) -> Float[Tensor, "rows dim"]:
        """V of every row."""
        return (along.transpose(0, 1) @ self.basis.mT).transpose(0, 1).reshape(-1, self.basis.shape[1])


@dataclass(frozen=True)
class Affine:
    """Means of n states given the states above, value + left right^T (above - center), of low rank.

    Attributes:
        value: at the center.
        left, right: factors of the slope.
        center: where the states above are expected.
    """

    value: Float[Tensor, "n dim"]
    left: Float[Tensor, "n dim rank"]
    right: Float[Tensor, "n dim rank"]
    center: Float[Tensor, "n dim"]

    def __call__(self, above: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        n, dim = self.value.shape
        deviation = above.reshape(-1, n, dim) - self.center
        slope = (deviation.transpose(0, 1) @ self.right) @ self.left.mT
        return (self.value + slope.transpose(0, 1)).reshape(-1, dim)


def from_quadratics(
    factor: Float[Tensor, "n m dim"], linear: Float[Tensor, "n dim"], rank: int, *, generator: torch.Generator
) -> Twist:
    """The likelihood linear . u - 1/2 |factor u|^2, cut to the directions with the most information.

    They are found by subspace iteration from random directions; with rank = dim nothing is cut.
    """
    dim = factor.shape[2]
    basis = torch.randn(dim, min(rank, dim), generator=generator, dtype=factor.dtype, device=factor.device)
    basis = basis.expand(len(factor), -1, -1)
    for _ in range(N_ITERATIONS):
        basis = torch.linalg.qr(factor.mT @ (factor @ basis))[0]
    projected = factor @ basis
    information, rotation = torch.linalg.eigh(projected.mT @ projected)
    basis = basis @ rotation
    return Twist(basis.contiguous(), information.clamp(min=0.0), torch.einsum("ndr,nd->nr", basis, linear))
