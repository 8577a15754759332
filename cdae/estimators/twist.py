"""What is known of a state from below, as a Gaussian likelihood of low rank, and the product of it with a transition.

A state in units of its own transition, u = x / sigma, has the density N(u; y, I) given the state above. Its likelihood,
that of everything below it, is taken to be

    log f(u) = c . V^T u - 1/2 (V^T u) . l (V^T u) + constant,        V^T V = I, l >= 0,

so that the product of both is N(y + V m, I + V (b^2 - 1) V^T), with m = (c - l V^T y) / (1 + l) and b^2 = 1 / (1 + l).
Integrated over u, the likelihood of y is of the same kind, with l / (1 + l) and c / (1 + l) in the place of l and c.
Not here: where the likelihood comes from (`gaussian_base`), and what the states are (`whitened`).
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

N_ITERATIONS = 3  # of the subspace that the largest information lies in


@dataclass(frozen=True)
class Twist:
    """A likelihood of n points, each with directions of its own.

    Attributes:
        basis: V, orthonormal columns.
        information: l, at least 0.
        shift: c.
    """

    basis: Float[Tensor, "n dim rank"]
    information: Float[Tensor, "n rank"]
    shift: Float[Tensor, "n rank"]

    @property
    def widths(self) -> Float[Tensor, "n rank"]:
        """b, the standard deviations of the product along V."""
        return (1.0 + self.information).rsqrt()

    def mean(self, y: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """Of the product."""
        return y + across(self.basis, self.pull(along(self.basis, y)))

    def slope(self, left: Float[Tensor, "n dim columns"]) -> Float[Tensor, "n dim columns"]:
        """How the mean of the product moves with y, applied to columns."""
        share = self.information / (1.0 + self.information)
        return left - self.basis @ (share[:, :, None] * (self.basis.mT @ left))

    def pull(self, along_y: Float[Tensor, "*copies n rank"]) -> Float[Tensor, "*copies n rank"]:
        """m for V^T y, which is the gradient of the likelihood of y as well."""
        return (self.shift - self.information * along_y) / (1.0 + self.information)

    def gradient_of_mean(self, y: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        """Of the log likelihood of y; row i belongs to point i mod n."""
        return across(self.basis, self.pull(along(self.basis, y)))

    def through(self, u: Float[Tensor, "n dim"], gradient: Float[Tensor, "n dim"]) -> "Twist":
        """The same information, shifted to have this gradient of log f at u, in the directions of V."""
        along_u, along_gradient = (torch.einsum("ndr,nd->nr", self.basis, t) for t in (u, gradient))
        return replace(self, shift=along_gradient + self.information * along_u)

    def cut(self, least: float) -> "Twist":
        """Without the directions in which no point has this much information; they are sorted by it."""
        n_kept = max(1, int((self.information > least).any(0).sum()))
        return Twist(self.basis[:, :, -n_kept:], self.information[:, -n_kept:], self.shift[:, -n_kept:])

    def passed_on(self) -> tuple[Float[Tensor, "n rank dim"], Float[Tensor, "n rank"]]:
        """F and a of the likelihood of y, log f(y) = a . F y - 1/2 |F y|^2."""
        information = self.information.clamp(min=torch.finfo(self.information.dtype).tiny ** 0.5)
        factor = (information / (1.0 + information)).sqrt()
        return factor[:, :, None] * self.basis.mT, self.shift / (information * (1.0 + information)).sqrt()


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


def along(matrix: Float[Tensor, "n dim columns"], rows: Float[Tensor, "rows dim"]) -> Float[Tensor, "copies n columns"]:
    """matrix^T of every row, with the precision of the matrix; row i belongs to point i mod n."""
    n, dim, _ = matrix.shape
    product = rows.reshape(-1, n, dim).transpose(0, 1).to(matrix.dtype) @ matrix
    return product.transpose(0, 1).to(rows.dtype)


def across(
    matrix: Float[Tensor, "n dim columns"], values: Float[Tensor, "copies n columns"]
) -> Float[Tensor, "rows dim"]:
    """matrix of every row of values, with the precision of the matrix."""
    product = values.transpose(0, 1).to(matrix.dtype) @ matrix.mT
    return product.transpose(0, 1).reshape(-1, matrix.shape[1]).to(values.dtype)
