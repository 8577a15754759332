"""What a data point says of its latents in a cascade, by linearising the denoiser: a Gauss-Newton filter.

The likelihood of x_i, given that of x_{i-1}, is the likelihood of r(x_i):

    log f(x_i) = -1/2 |F r(x_i)|^2 + a . F r(x_i),        F = I / rho_0 and a = x_0 / rho_0 for i = 1

With r(x) = r(h) + J (x - h) it is quadratic. It is averaged over several states h, and cut to the directions with the
most information (`twist`). Then x_i is integrated out of its product with N(r(x_{i+1}), rho_i^2), which leaves the
likelihood of r(x_{i+1}). The slopes of the means on the way down, J again, are kept along some directions alone: those
that the likelihood asks for, and random ones. Not here: where the states h come from (`gaussian_base`).
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cdae.computing.precision import layers
from cdae.estimators import twist
from cdae.estimators.conditional import Slope, twisted, twisted_top
from cdae.estimators.twist import Twist
from cdae.estimators.whitened import CascadeBase, Units
from cdae.interfaces import Cascade

POINTS_AT_ONCE = 4  # whose Jacobians are held together


@dataclass(frozen=True)
class Linearised:
    """A cascade's base in the making: slopes of x_1 .. x_{k-1}, and what is known from below of x_1 .. x_k."""

    model: Cascade
    x: Float[Tensor, "n dim"]
    slopes: list[Slope]
    twists: list[Twist]

    def base(self, min_information: float) -> CascadeBase:
        """Of the directions in which any point has more information than this."""
        *twists, top = [known.cut(min_information) for known in self.twists]
        inner = [twisted(slope, known) for slope, known in zip(self.slopes, twists, strict=True)]
        return CascadeBase(self.model, self.x, [*inner, twisted_top(top)])

    def where(self, better: Bool[Tensor, "n"], other: "Linearised") -> "Linearised":
        """These points where they are better, and the other's elsewhere."""
        slopes = [_where(better, a, b) for a, b in zip(self.slopes, other.slopes, strict=True)]
        twists = [_where(better, a, b) for a, b in zip(self.twists, other.twists, strict=True)]
        return replace(self, slopes=slopes, twists=twists)


@dataclass(frozen=True)
class Linearisation:
    """How it is done.

    Attributes:
        rank: directions of information, at most, at every level.
        n_slopes: directions of the state above that a mean moves with.
        precision: of the network ("highest", "medium" or "bfloat16").
    """

    rank: int
    n_slopes: int
    precision: str

    def at(
        self,
        model: Cascade,
        x: Float[Tensor, "n dim"],
        states: Float[Tensor, "k rows dim"],
        *,
        generator: torch.Generator,
    ) -> Linearised:
        """Around states of x_1 .. x_k, several of each point; row i belongs to point i mod n."""
        by_point = states.reshape(len(states), -1, *x.shape)
        parts = [
            self._filter(model, x[points], by_point[:, :, points].flatten(1, 2), generator)
            for points in torch.arange(len(x), device=x.device).split(POINTS_AT_ONCE)
        ]
        slopes, twists = ([_joined(level) for level in zip(*lists, strict=True)] for lists in zip(*parts, strict=True))
        return Linearised(model, x, slopes, twists)

    def _filter(
        self, model: Cascade, x: Tensor, states: Float[Tensor, "k rows dim"], generator: torch.Generator
    ) -> tuple[list[Slope], list[Twist]]:
        n, units, slopes = len(x), Units(model), []
        rows = x.repeat(len(states[0]) // n, 1)
        with torch.no_grad(), layers(self.precision, x.device):
            x_hat = model.denoise_level(states[0], 1)
            inverse_std = model.last_step(states[0]).inverse_std(rows, x_hat).expand_as(rows)
        factor, target = torch.diag_embed(inverse_std), inverse_std * rows
        x_hat, pulled = self._pull_back(units, 1, states[0], factor)
        twists = [self._twist(factor, target, x_hat, pulled, units.to_units(1, states[0]), n, generator)]
        for level, h in enumerate(states[1:], 2):
            n_copies, u = len(h) // n, units.to_units(level, h)
            factor, target = (t.repeat(n_copies, *[1] * (t.dim() - 1)) for t in twists[-1].passed_on())
            probes = torch.randn(self.rank, h.shape[1], generator=generator, dtype=h.dtype, device=h.device)
            x_hat, pulled = self._pull_back(units, level, h, torch.cat([factor, probes.expand(len(h), -1, -1)], 1))
            right = torch.linalg.qr(average(pulled, n).mT)[0]
            left = average(self._push(units, level, h, right.repeat(n_copies, 1, 1)), n)
            slopes.append(Slope(average(x_hat, n), left, right, average(u, n)).cut(self.n_slopes))
            twists.append(self._twist(factor, target, x_hat, pulled[:, : factor.shape[1]], u, n, generator))
        return slopes, twists

    def _twist(
        self,
        factor: Float[Tensor, "rows m dim"],
        target: Float[Tensor, "rows m"],
        x_hat: Float[Tensor, "rows dim"],
        pulled: Float[Tensor, "rows m dim"],
        u: Float[Tensor, "rows dim"],
        n: int,
        generator: torch.Generator,
    ) -> Twist:
        """The averaged likelihood: linear term (F J)^T (a - F r(h) + F J h), curvature (F J)^T F J."""
        residual = target - torch.einsum("brd,bd->br", factor, x_hat) + torch.einsum("brd,bd->br", pulled, u)
        linear = average(torch.einsum("brd,br->bd", pulled, residual), n)
        n_copies = len(u) // n
        stacked = pulled.reshape(n_copies, n, *pulled.shape[1:]).transpose(0, 1).flatten(1, 2)
        return twist.from_quadratics(stacked / math.sqrt(n_copies), linear, self.rank, generator=generator)

    def _pull_back(self, units: Units, level: int, h: Tensor, rows: Float[Tensor, "b m dim"]) -> tuple[Tensor, Tensor]:
        """r(h), and rows J, with states above and below in their units (x_0 in its own)."""
        h = h.detach().requires_grad_()
        with torch.enable_grad(), layers(self.precision, h.device):
            x_hat = units.below(level, units.model.denoise_level(h, level))
            (pulled,) = torch.autograd.grad(x_hat, h, _batched(rows), is_grads_batched=True)
        return x_hat.detach(), units.pulled_back(level, pulled.transpose(0, 1))

    def _push(self, units: Units, level: int, h: Tensor, columns: Float[Tensor, "b dim m"]) -> Tensor:
        """J columns, by differentiating the vector-Jacobian product, which is linear, a second time."""
        h, directions = h.detach().requires_grad_(), units.scaled(level, columns.mT)
        with torch.enable_grad(), layers(self.precision, h.device):
            x_hat = units.below(level, units.model.denoise_level(h, level))
            anywhere = torch.zeros_like(x_hat, requires_grad=True)
            (pulled,) = torch.autograd.grad(x_hat, h, anywhere, create_graph=True)
            (pushed,) = torch.autograd.grad(pulled, anywhere, _batched(directions), is_grads_batched=True)
        return pushed.permute(1, 2, 0)


def average(values: Float[Tensor, "rows *shape"], n: int) -> Float[Tensor, "n *shape"]:
    """Over the copies of n points."""
    return values.reshape(-1, n, *values.shape[1:]).mean(0)


def _batched(rows: Float[Tensor, "b m dim"]) -> Float[Tensor, "m b dim"]:
    """A batch of gradients, in one block of memory: a layer is then one product of matrices, at a third of the time."""
    return rows.transpose(0, 1).contiguous()


def _joined(parts: tuple[Any, ...]) -> Any:
    """Records of the same kind, for some points each, as one for all."""
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def _where(better: Bool[Tensor, "n"], new: Any, old: Any) -> Any:
    chosen = {}
    for name in [field.name for field in fields(new)]:
        a, b = getattr(new, name), getattr(old, name)
        chosen[name] = torch.where(better.reshape(-1, *[1] * (a.dim() - 1)), a, b)
    return type(new)(**chosen)
