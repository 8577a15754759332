"""A Gaussian density of one state given the one above, affine in it, of low rank where it is not N(., I).

    u = value + L R^T (above - center) + z + V (b - 1) V^T z,        V^T V = I, z ~ N(0, I)
    log q(u | above) = log N(z; 0, I) - sum log b

Each of n data points has its own. States come as rows, copies x n of them: row i belongs to point i mod n. All matrix
products are of deviations of order 1, so that they may have a reduced precision where a force is all that is wanted.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.twist import Twist, across, along


@dataclass(frozen=True)
class Slope:
    """How the mean of a state moves with the state above: value + left right^T (above - center).

    Attributes:
        value: at the center.
        left, right: factors; right has orthonormal columns.
        center: where the state above is expected.
    """

    value: Float[Tensor, "n dim"]
    left: Float[Tensor, "n dim columns"]
    right: Float[Tensor, "n dim columns"]
    center: Float[Tensor, "n dim"]

    def cut(self, n_columns: int) -> "Slope":
        """The directions of the state above that matter most."""
        _, rotation = torch.linalg.eigh(self.left.mT @ self.left)
        rotation = rotation[:, :, -n_columns:]
        return replace(self, left=self.left @ rotation, right=self.right @ rotation)


@dataclass(frozen=True)
class Conditional:
    """The density above.

    Attributes:
        value: (n, dim), the mean at the center.
        center: (n, dim), of the state above.
        right: R, (n, dim, s); no columns at the top, where no state is above.
        basis: V, (n, dim, r).
        left_and_basis: L beside V, (n, dim, s + r).
        widths: b, (n, r).
    """

    value: Float[Tensor, "n dim"]
    center: Float[Tensor, "n dim"]
    right: Float[Tensor, "n dim s"]
    basis: Float[Tensor, "n dim r"]
    left_and_basis: Float[Tensor, "n dim columns"]
    widths: Float[Tensor, "n r"]

    def draw(self, z: Float[Tensor, "rows dim"], above: Float[Tensor, "rows dim"] | None) -> Float[Tensor, "rows dim"]:
        narrower = along(self.basis, z) * (self.widths - 1.0)
        moves = narrower if above is None else torch.cat([self._moved(above), narrower], -1)
        return self._value(z) + across(self.left_and_basis, moves)

    def whiten(
        self, u: Float[Tensor, "rows dim"], above: Float[Tensor, "rows dim"] | None
    ) -> Float[Tensor, "rows dim"]:
        """The z that `draw` makes u of."""
        n_slopes = self.right.shape[2]
        residual = self._value(u, sign=-1.0)
        if above is not None:
            residual = residual - across(self.left_and_basis[:, :, :n_slopes], self._moved(above))
        return residual + across(self.basis, along(self.basis, residual) * (self.widths.reciprocal() - 1.0))

    @property
    def log_volume(self) -> Float[Tensor, "n"]:
        """sum log b, in nats."""
        return self.widths.double().log().sum(-1)

    def reduced(self) -> "Conditional":
        """With matrices in bfloat16."""
        names = ("right", "basis", "left_and_basis")
        return replace(self, **{name: getattr(self, name).bfloat16() for name in names})

    def _moved(self, above: Float[Tensor, "rows dim"]) -> Float[Tensor, "copies n s"]:
        n, dim = self.center.shape
        return along(self.right, (above.reshape(-1, n, dim) - self.center).reshape(-1, dim))

    def _value(self, rows: Float[Tensor, "rows dim"], sign: float = 1.0) -> Float[Tensor, "rows dim"]:
        """rows plus the value of their points, or minus."""
        n, dim = self.value.shape
        return (rows.reshape(-1, n, dim) + sign * self.value).reshape(-1, dim)


def twisted(slope: Slope, twist: Twist) -> Conditional:
    """The product of N(., I) around an affine mean and what is known from below."""
    left = twist.slope(slope.left)
    return Conditional(
        twist.mean(slope.value),
        slope.center,
        slope.right.contiguous(),
        twist.basis,
        torch.cat([left, twist.basis], -1),
        twist.widths,
    )


def twisted_top(twist: Twist) -> Conditional:
    """The product of N(0, I) and what is known from below."""
    zero, none = torch.zeros_like(twist.basis[:, :, 0]), twist.basis[:, :, :0]
    return Conditional(twist.mean(zero), zero, none, twist.basis, twist.basis, twist.widths)
