"""Twists of a base (`whitened`), fitted to each data point by linearising the network where its latents may be.

A cascade's likelihood of x_i, given what is known of x_{i-1}, is that of r(x_i): -1/2 |F r(x_i)|^2 + a . F r(x_i), with F = I / rho_0
and F^T a = x_0 / rho_0^2 for i = 1. Put r(x) = r(h) + J (x - h) in it, average over several states h, keep the directions with the most
information, and integrate x_i out: the likelihood of r(x_{i+1}). This is a Gauss-Newton filter from the data upwards.
The states are x_0 + c_i eps at first. Then chains from the base so made go a few moves towards the posterior, and
where they end the network is linearised again.

A decoder has one latent vector, and often an inference model, whose Gaussian is its base.
Nothing here sees the latents that a simulated x was made from, which is all that valid estimates ask for.
"""

import math
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cdae.computing.precision import layers
from cdae.corruption import corrupt
from cdae.estimators import rotation, twist
from cdae.estimators.conditional import Conditional, Slope, twisted, twisted_top
from cdae.estimators.twist import Twist
from cdae.estimators.whitened import Base, CascadeBase, DecoderBase, Units
from cdae.interfaces import Cascade, Decoder, Weighted

POINTS_AT_ONCE = 4  # whose Jacobians are held together
MOVE_ACCEPTANCE = 0.7
MOVE_GAIN = 1.0  # of log angle per unit of acceptance, each chain on its own
FIRST_ANGLE = 0.1
ENCODER_DRAWS = 256
ENCODER_WIDENING = 1.2


@dataclass(frozen=True)
class Linearised:
    """A cascade's base in the making: slopes of x_1 .. x_{k-1}, and what is known from below of x_1 .. x_k."""

    model: Cascade
    x: Float[Tensor, "n dim"]
    slopes: list[Slope]
    twists: list[Twist]

    def base(self, min_information: float) -> CascadeBase:
        *twists, top = [known.cut(min_information) for known in self.twists]
        inner = [twisted(slope, known) for slope, known in zip(self.slopes, twists, strict=True)]
        return CascadeBase(self.model, self.x, [*inner, twisted_top(top)])


@dataclass(frozen=True)
class Fit:
    """How bases are fitted.

    Attributes:
        rank: directions that may be kept at every level.
        min_information: of a direction that is kept; 1 is what the state above knows.
        n_slopes: directions of the state above that the mean of a state moves with.
        n_states: where the network is linearised, per point and level.
        n_rounds: of moves and a new linearisation.
        n_moves: of each state, per round.
        n_centrings: after each linearisation, of shifts and means.
        n_draws: of the base, that a centring averages over.
        damping: share of the old shifts that a centring replaces.
        n_steps: rotations of a move.
        force_precision: of Jacobians and forces ("highest", "medium" or "bfloat16").
    """

    rank: int = 160
    min_information: float = 0.02
    n_slopes: int = 64
    n_states: int = 4
    n_rounds: int = 1
    n_centrings: int = 4
    n_draws: int = 32
    damping: float = 0.5
    n_moves: int = 20
    n_steps: int = 4
    force_precision: str = "bfloat16"

    def cascade(self, model: Cascade, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> CascadeBase:
        """A base of these points."""
        with layers("highest", x.device):  # keeps copies of the weights until the end
            copies = x.repeat(self.n_states, 1)
            states = corrupt(copies, model.corruption_std, generator=generator)
            fit = self._improved(self._linearised(model, x, states, generator), generator)
            for _ in range(self.n_rounds):
                states = self._moved(fit.base(self.min_information), generator)
                fit = self._improved(self._linearised(model, x, states, generator), generator)
        return fit.base(self.min_information)

    def _improved(self, fit: "Linearised", generator: torch.Generator) -> "Linearised":
        best = fit
        for _ in range(self.n_centrings):
            fit = self._centred(fit, generator)
            best = self._better(best, fit, generator)
        return best

    def _linearised(
        self, model: Cascade, x: Tensor, states: Float[Tensor, "k rows dim"], generator: torch.Generator
    ) -> "Linearised":
        n, parts = len(x), []
        by_point = states.reshape(len(states), self.n_states, n, -1)
        for rows in torch.arange(n, device=x.device).split(POINTS_AT_ONCE):
            parts.append(self._filter(model, x[rows], by_point[:, :, rows], generator))
        slopes, twists = zip(*parts, strict=True)
        return Linearised(
            model,
            x,
            [_joined(level) for level in zip(*slopes, strict=True)],
            [_joined(level) for level in zip(*twists, strict=True)],
        )

    def _filter(
        self, model: Cascade, x: Tensor, states: Float[Tensor, "k s n dim"], generator: torch.Generator
    ) -> tuple[list[Slope], list[Twist]]:
        units, n = Units(model), len(x)
        slopes: list[Slope] = []
        twists: list[Twist] = []
        for level, at_level in enumerate(states, 1):
            h = at_level.flatten(0, 1)
            center = units.to_units(level, h)
            if level == 1:
                precision = 1.0 / model.last_step_std(h).to(x.dtype).expand_as(h)
                factor, target = torch.diag_embed(precision), x.repeat(self.n_states, 1) * precision
                x_hat, pulled = self._pull_back(model, h, level, factor)
                pulled = units.pulled_back(level, pulled)
            else:
                factor, target = (t.repeat(self.n_states, *[1] * (t.dim() - 1)) for t in twists[-1].passed_on())
                in_units = model.reconstruction_std[level - 1].to(x.dtype)
                probes = torch.randn(self.rank, h.shape[1], generator=generator, dtype=h.dtype, device=h.device)
                both = torch.cat([factor, probes.expand(len(h), -1, -1)], 1)
                x_hat, pulled = self._pull_back(model, h, level, both / in_units)
                x_hat, pulled = x_hat / in_units, units.pulled_back(level, pulled)
                right = torch.linalg.qr(_average(pulled, n).mT)[0]
                left = self._push(model, h, level, units.scaled(level, right.mT).repeat(self.n_states, 1, 1)) / in_units
                slope = Slope(_average(x_hat, n), _average(left, n).mT, right, _average(center, n))
                slopes.append(slope.cut(self.n_slopes))
                pulled = pulled[:, : factor.shape[1]]
            e = target - torch.einsum("brd,bd->br", factor, x_hat) + torch.einsum("brd,bd->br", pulled, center)
            linear = _average(torch.einsum("brd,br->bd", pulled, e), n)
            pulled = pulled.reshape(self.n_states, n, *pulled.shape[1:]).transpose(0, 1).flatten(1, 2)
            twists.append(
                twist.from_quadratics(pulled / math.sqrt(self.n_states), linear, self.rank, generator=generator)
            )
        return slopes, twists

    def _centred(self, fit: "Linearised", generator: torch.Generator) -> "Linearised":
        """The same slopes and information, with shifts and means that are averages over many draws of the base."""
        model, x, units, n, base = fit.model, fit.x, Units(fit.model), len(fit.x), fit.base(self.min_information)
        average = partial(_average, n=n)
        with torch.no_grad():
            latents = base.latents(base.draw_white(self.n_draws, generator=generator))
        twists: list[Twist] = []
        for level, (h, old) in enumerate(zip(latents, fit.twists, strict=True), 1):
            h = h.requires_grad_()
            with torch.enable_grad(), layers(self.force_precision, h.device):
                x_hat = model.denoise_level(h, level)
            with torch.no_grad():
                if level == 1:
                    std = model.last_step_std(h).to(x.dtype)
                    pull = (x.repeat(self.n_draws, 1) - x_hat) / std**2
                else:
                    pull = twists[-1].gradient_of_mean(units.to_units(level - 1, x_hat))
                    pull = pull / model.reconstruction_std[level - 1].to(x.dtype)
            (pulled,) = torch.autograd.grad(x_hat, h, pull)
            gradient = average(units.pulled_back(level, pulled))
            new = old.through(average(units.to_units(level, h.detach())), gradient)
            twists.append(replace(old, shift=torch.lerp(old.shift, new.shift, self.damping)))
        slopes: list[Slope] = []
        z = base.draw_white(self.n_draws, generator=generator)
        with torch.no_grad(), layers(self.force_precision, x.device):
            u = twisted_top(twists[-1]).draw(z[-1], None)
            for level in range(len(z) - 1, 0, -1):
                x_hat = model.denoise_level(units.from_units(level + 1, u), level + 1)
                value = average(units.to_units(level, x_hat))
                slopes.insert(0, replace(fit.slopes[level - 1], value=value, center=average(u)))
                u = twisted(slopes[0], twists[level - 1]).draw(z[level - 1], u)
        return Linearised(model, x, slopes, twists)

    def _better(self, old: "Linearised", new: "Linearised", generator: torch.Generator) -> "Linearised":
        """Of every point the one whose bound, the mean of -phi over draws, is higher."""
        bases = old.base(self.min_information), new.base(self.min_information)
        z = bases[0].draw_white(self.n_draws, generator=generator)
        with torch.no_grad():
            before, after = (_average(base.potential(z, self.force_precision), len(old.x)) for base in bases)
        choose = partial(_better_rows, after < before)
        slopes = [choose(a, b) for a, b in zip(new.slopes, old.slopes, strict=True)]
        return Linearised(old.model, old.x, slopes, [choose(a, b) for a, b in zip(new.twists, old.twists, strict=True)])

    def _pull_back(self, model: Cascade, h: Tensor, level: int, factor: Tensor) -> tuple[Tensor, Tensor]:
        """r(h), and factor J at every row: (rows, dim) and (rows, m, dim)."""
        h = h.detach().requires_grad_()
        with torch.enable_grad(), layers(self.force_precision, h.device):
            x_hat = model.denoise_level(h, level)
            (pulled,) = torch.autograd.grad(x_hat, h, factor.transpose(0, 1), is_grads_batched=True)
        return x_hat.detach(), pulled.transpose(0, 1)

    def _push(self, model: Cascade, h: Tensor, level: int, directions: Tensor) -> Tensor:
        """J applied to directions (rows, m, dim), as the derivative of the vector-Jacobian product."""
        h = h.detach().requires_grad_()
        with torch.enable_grad(), layers(self.force_precision, h.device):
            x_hat = model.denoise_level(h, level)
            zero = torch.zeros_like(x_hat, requires_grad=True)
            (pulled,) = torch.autograd.grad(x_hat, h, zero, create_graph=True)
            (pushed,) = torch.autograd.grad(pulled, zero, directions.transpose(0, 1), is_grads_batched=True)
        return pushed.transpose(0, 1)

    def _moved(self, base: Base, generator: torch.Generator) -> Tensor:
        """Latents of short chains from the base towards the posterior."""
        state = rotation.evaluate(
            base.potential, base.draw_white(self.n_states, generator=generator), self.force_precision
        )
        log_angle = torch.full_like(state.phi, math.log(FIRST_ANGLE))
        for move in range(self.n_moves):
            state, accepted = rotation.transition(
                base.potential,
                state,
                beta=(move + 1) / self.n_moves,
                step_size=log_angle.exp()[:, None],
                n_steps=self.n_steps,
                generator=generator,
                force_precision=self.force_precision,
            )
            log_angle = (log_angle + MOVE_GAIN * (accepted - MOVE_ACCEPTANCE)).clamp(max=0.0)
        with torch.no_grad():
            return base.latents(state.z)


def _better_rows(better: Bool[Tensor, "n"], new: Any, old: Any) -> Any:
    """Points of `new` where it is better, and of `old` elsewhere, of two records of tensors."""
    chosen = {}
    for field in fields(new):
        a, b = getattr(new, field.name), getattr(old, field.name)
        chosen[field.name] = torch.where(better.reshape(-1, *[1] * (a.dim() - 1)), a, b)
    return type(new)(**chosen)


def _average(values: Float[Tensor, "rows *shape"], n: int) -> Float[Tensor, "n *shape"]:
    """Over the copies of n points."""
    return values.reshape(-1, n, *values.shape[1:]).mean(0)


def encoder_base(model: Decoder, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> DecoderBase:
    """The Gaussian that a decoder's own inference model draws from, widened; without one, the prior.

    Its means and standard deviations are estimated from draws.
    """
    if not isinstance(model, Weighted):
        return DecoderBase(model, x, None)
    with torch.no_grad():
        draws = model.infer(x.repeat(ENCODER_DRAWS, 1), generator=generator).reshape(ENCODER_DRAWS, len(x), -1)
    identity = torch.eye(model.latent_dim, dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
    mean, widths = draws.mean(0), ENCODER_WIDENING * draws.std(0)
    return DecoderBase(
        model, x, Conditional(mean, torch.zeros_like(mean), identity[:, :, :0], identity, identity, widths)
    )


def _joined(parts: tuple[Any, ...]) -> Any:
    """Parts of the same kind, for some points each, as one for all."""
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
