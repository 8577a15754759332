"""Bases (`whitened`) fitted to each data point: of a cascade by linearising it, of a decoder by its encoder.

A cascade is linearised around x_0 + c_i eps at first (`linearised`). Then chains from the base so made go a few moves
towards the posterior, and it is linearised again where they end; a point whose posterior lies far off takes several
such rounds. After each, shifts and means are averaged over draws of the base, which needs no Jacobian. Of the bases of
all rounds, every point keeps the one with the highest bound; what the first linearisation gave is where rounds start.

A base may be anything, as long as it sees x and random numbers alone. Nothing here sees the latents that a simulated x
was made from, which is all that valid estimates ask for.
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.computing.precision import layers
from cdae.corruption import corrupt
from cdae.estimators import rotation
from cdae.estimators.conditional import Conditional, Slope, twisted, twisted_top
from cdae.estimators.linearised import Linearisation, Linearised, average
from cdae.estimators.twist import Twist
from cdae.estimators.whitened import CascadeBase, DecoderBase, Units
from cdae.interfaces import Cascade, Decoder, Weighted

MOVE_ACCEPTANCE = 0.7
MOVE_GAIN = 1.0  # of log angle per unit of acceptance, each chain on its own
FIRST_ANGLE = 0.1
ENCODER_DRAWS = 256
ENCODER_WIDENING = 1.2  # of standard deviations, since encoders are narrower than posteriors


@dataclass(frozen=True)
class CascadeFit:
    """How the base of a cascade is fitted: call it with the data points.

    Attributes:
        rank: directions that may be kept at every level.
        min_information: of a direction that is kept; 1 is what the state above knows.
        n_slopes: directions of the state above that the mean of a state moves with.
        n_states: where the network is linearised, per point and level.
        n_rounds: of moves and another linearisation; none for the first linearisation alone.
        n_moves: of each state in a round.
        n_steps: rotations of a move.
        n_centrings: after each linearisation, of shifts and means.
        n_draws: of the base, that a centring averages over.
        damping: share of the way from the old shifts to the new that a centring goes.
        force_precision: of Jacobians and forces ("highest", "medium" or "bfloat16").
    """

    model: Cascade
    rank: int = 160
    min_information: float = 0.02
    n_slopes: int = 64
    n_states: int = 4
    n_rounds: int = 1
    n_moves: int = 20
    n_steps: int = 4
    n_centrings: int = 4
    n_draws: int = 32
    damping: float = 0.5
    force_precision: str = "bfloat16"

    def __call__(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> CascadeBase:
        """A base of these points; its random numbers are to be others than those of the run."""
        linearise = Linearisation(self.rank, self.n_slopes, self.force_precision).at
        with layers("highest", x.device):
            states = corrupt(x.repeat(self.n_states, 1), self.model.corruption_std, generator=generator)
            best = fit = self._centred(linearise(self.model, x, states, generator=generator), generator)
            for n_done in range(self.n_rounds):
                states = self._moved(self._base(fit), generator)
                fit = self._centred(linearise(self.model, x, states, generator=generator), generator)
                best = fit if n_done == 0 else self._better(best, fit, generator)
        return self._base(best)

    def _base(self, fit: Linearised) -> CascadeBase:
        return fit.base(self.min_information)

    def _centred(self, fit: Linearised, generator: torch.Generator) -> Linearised:
        """Of every point the best of several centrings, by the mean of phi over draws."""
        best = fit
        for _ in range(self.n_centrings):
            fit = self._with_means(fit, self._shifted(fit, generator), generator)
            best = self._better(best, fit, generator)
        return best

    def _better(self, best: Linearised, fit: Linearised, generator: torch.Generator) -> Linearised:
        """Of every point the one whose mean of phi over draws is lower, so that its bound is higher."""
        bases = self._base(best), self._base(fit)
        z = bases[0].draw_white(self.n_draws, generator=generator)
        with torch.no_grad():
            old, new = (average(base.potential(z, self.force_precision), len(fit.x)) for base in bases)
        return fit.where(new < old, best)

    def _shifted(self, fit: Linearised, generator: torch.Generator) -> list[Twist]:
        """The same information of each level, with the gradient that the likelihood has on average over draws."""
        base, units, twists = self._base(fit), Units(self.model), []
        mean = partial(average, n=len(fit.x))
        with torch.no_grad():
            latents = base.latents(base.draw_white(self.n_draws, generator=generator))
        for level, (h, old) in enumerate(zip(latents, fit.twists, strict=True), 1):
            h.requires_grad_()
            with torch.enable_grad(), layers(self.force_precision, h.device):
                x_hat = units.below(level, self.model.denoise_level(h, level))
            with torch.no_grad():
                pull = self._pull(fit.x, h, x_hat) if level == 1 else twists[-1].gradient_of_mean(x_hat)
            gradient = units.pulled_back(level, torch.autograd.grad(x_hat, h, pull)[0])
            new = old.through(mean(units.to_units(level, h.detach())), mean(gradient))
            twists.append(replace(old, shift=torch.lerp(old.shift, new.shift, self.damping)))
        return twists

    def _pull(self, x: Tensor, x_1: Float[Tensor, "rows dim"], x_hat: Float[Tensor, "rows dim"]) -> Tensor:
        """Gradient of log p(x_0 | x_1) with respect to its mean."""
        x = x.repeat(len(x_1) // len(x), 1)
        return (x - x_hat) * self.model.last_step(x_1).inverse_std(x, x_hat).square()

    def _with_means(self, fit: Linearised, twists: list[Twist], generator: torch.Generator) -> Linearised:
        """The same slopes, around means over draws from the top down."""
        units, mean, slopes = Units(self.model), partial(average, n=len(fit.x)), []
        z = self._base(fit).draw_white(self.n_draws, generator=generator)
        with torch.no_grad(), layers(self.force_precision, z.device):
            u = twisted_top(twists[-1]).draw(z[-1], None)
            for level in range(len(z) - 1, 0, -1):
                x_hat = self.model.denoise_level(units.from_units(level + 1, u), level + 1)
                value = mean(units.to_units(level, x_hat))
                slopes.insert(0, Slope(value, fit.slopes[level - 1].left, fit.slopes[level - 1].right, mean(u)))
                u = twisted(slopes[0], twists[level - 1]).draw(z[level - 1], u)
        return Linearised(self.model, fit.x, slopes, twists)

    def _moved(self, base: CascadeBase, generator: torch.Generator) -> Tensor:
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


@dataclass(frozen=True)
class DecoderFit:
    """The base of a decoder: the Gaussian that its own inference model draws from, widened; without one, the prior.

    Means and standard deviations are estimated from draws. Call it with the data points.
    """

    model: Decoder

    def __call__(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> DecoderBase:
        if not isinstance(self.model, Weighted):
            return DecoderBase(self.model, x, None)
        with torch.no_grad():
            draws = self.model.infer(x.repeat(ENCODER_DRAWS, 1), generator=generator).reshape(ENCODER_DRAWS, len(x), -1)
        identity = torch.eye(self.model.latent_dim, dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
        mean, widths = draws.mean(0), ENCODER_WIDENING * draws.std(0)
        encoder = Conditional(mean, torch.zeros_like(mean), identity[:, :, :0], identity, identity, widths)
        return DecoderBase(self.model, x, encoder)
