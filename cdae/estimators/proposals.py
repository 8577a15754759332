"""Inference models for a trained cascade: several q(x_1 .. x_k | x_0) for the same p, all bounding the same log p(x_0).

    paper       x_i ~ N(x_0, c_i^2), independent across levels (Eq. 3)
    widened     x_i ~ N(x_0, rho_i^2), x_k as the paper's: importance weights of finite variance at every inner level
    renoising   x_1 ~ N(x_0, c_1^2), x_{i+1} ~ N(r(x_i), c_{i+1}^2 + MSE_i), bottom-up; exact for isotropic Gaussian
                data with the optimal denoiser of each level
    guided      x_i ~ N(a_i x_0 + (1 - a_i) m_i, t_i^2), m_i = r(x_{i+1}), m_k the prior's mean, top-down; a_i and t_i
                maximise the bound on training data, and a_i = 1, t_i = c_i is the paper's

All of them draw x_i from a normal around a mean that depends on x_0 and on the denoiser's answers, which p needs as
well: one pass through the network per level serves both. Not here: what is made of the weights (`importance`).
"""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adam import adam

from cdae.corruption import per_level
from cdae.gaussian import log_normal, standard_normal
from cdae.interfaces import Cascade


@runtime_checkable
class Proposal(Protocol):
    """A Gaussian inference model of a cascade."""

    bottom_up: bool  # whether x_i is drawn after x_{i-1} or after x_{i+1}

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        """Mean (n, dim) of x_level, given x_0 and the reconstruction of the state drawn before it.

        x_hat is r(x_{level-1}) if bottom-up and r(x_{level+1}) if not, and None for the state that is drawn first.
        """
        ...

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        """Standard deviations of x_1 .. x_k: (k,), or (k, dim) where they differ between pixels."""
        ...


class Paper:
    """The corruption itself (Eq. 3)."""

    bottom_up = False

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        return x

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        return model.corruption_std[1:]


class Widened(Paper):
    """As wide as the transition that has to be matched."""

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        rho, c = model.reconstruction_std, model.corruption_std
        return torch.cat([rho[1:], c[-1].expand_as(rho[:1])])


class Renoising:
    """What the denoiser makes of a state, corrupted again one level higher; MSE_i = rho_{i-1}^2 - c_{i-1}^2 (Eq. 9)."""

    bottom_up = True

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        return x if x_hat is None else x_hat

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        rho = model.reconstruction_std
        c = per_level(model.corruption_std, rho)
        mse = rho.square() - c[:-1].square()  # mse[i] is MSE_{i+1}
        added = torch.cat([torch.zeros_like(mse[:1]), mse[:-1]])  # nothing to x_1, which is drawn from x_0 itself
        return (c[1:].square() + added).sqrt()


class Guided:
    """Between the data and the transition of p.

    Args:
        share: (k,), a_i for i = 1 .. k, the weight of x_0.
        stds: (k,), t_i.
    """

    bottom_up = False

    def __init__(self, share: Float[Tensor, "k"], stds: Float[Tensor, "k"]):
        self.share, self.stds = share, stds

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        mean = (model.prior_mean if x_hat is None else x_hat).to(x.dtype)
        return mean + self.share[level - 1].to(x.dtype) * (x - mean)

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        return self.stds


PROPOSALS = {"paper": Paper, "widened": Widened, "renoising": Renoising}  # those without numbers to fit


def n_levels(model: Cascade) -> int:
    return len(model.reconstruction_std)


def in_blocks(
    model: Cascade, x: Float[Tensor, "n dim"], true_latents: Float[Tensor, "k n dim"] | None, n_rows: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Up to n_rows examples at a time, with the x_1 .. x_k that generated them where these are known.

    Raises:
        ValueError: for latents that do not fit x.
    """
    expected = (n_levels(model), *x.shape)
    if true_latents is not None and true_latents.shape != expected:
        raise ValueError(f"true_latents: got shape {tuple(true_latents.shape)}, expected {expected}; stack x_1 .. x_k")
    latents = repeat(None) if true_latents is None else true_latents.split(n_rows, dim=1)
    return zip(x.split(n_rows), latents, strict=False)


def variance_ratios(model: Cascade, proposal: Proposal) -> Float[Tensor, "k"]:
    """Variance of p's transition to x_i over the proposal's, i = 1 .. k, of the pixel where it is largest; at the top,
    of the direction where it is.

    With a bounded denoiser the importance weights have finite variance if and only if every ratio is below 2.
    """
    std = proposal.std(model)
    ratios = [(p / q).max() for p, q in zip(model.reconstruction_std[1:], std[:-1], strict=True)]
    return torch.stack([*ratios, model.prior.largest_ratio(std[-1])]).square()


def log_joint(
    model: Cascade, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"], x_hat: Float[Tensor, "k n dim"]
) -> Float[Tensor, "n"]:
    """log p(x_0, x_1, ..., x_k) in nats, with x_hat[i] = r(x_{i+1})."""
    total = model.prior.log_prob(latents[-1])
    stds = [model.last_step_std(latents[0]), *model.reconstruction_std[1:]]
    for state, mean, std in zip([x, *latents[:-1]], x_hat, stds, strict=True):
        total = total + log_normal(state, mean, std)
    return total


def log_proposal(
    model: Cascade,
    proposal: Proposal,
    x: Float[Tensor, "n dim"],
    latents: Float[Tensor, "k n dim"],
    x_hat: Float[Tensor, "k n dim"],
) -> Float[Tensor, "n"]:
    """log q(x_1, ..., x_k | x_0) in nats, with x_hat[i] = r(x_{i+1})."""
    k, std = n_levels(model), proposal.std(model)
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for level in range(1, k + 1):
        neighbour = level - 1 if proposal.bottom_up else level + 1
        mean = proposal.mean(model, level, x, x_hat[neighbour - 1] if 1 <= neighbour <= k else None)
        total = total + log_normal(latents[level - 1], mean, std[level - 1])
    return total


def propose(
    model: Cascade, proposal: Proposal, x: Float[Tensor, "n dim"], *, generator: torch.Generator
) -> tuple[Float[Tensor, "k n dim"], Float[Tensor, "k n dim"]]:
    """Latents x_1 .. x_k drawn from the proposal given x_0 = x, and their reconstructions r(x_1) .. r(x_k)."""
    k, std = n_levels(model), proposal.std(model)
    levels = range(1, k + 1) if proposal.bottom_up else range(k, 0, -1)
    latents, reconstructions = {}, {}
    x_hat = None
    for level in levels:
        mean = proposal.mean(model, level, x, x_hat)
        latents[level] = mean + std[level - 1].to(x.dtype) * standard_normal(x, *x.shape, generator=generator)
        x_hat = reconstructions[level] = model.denoise_level(latents[level], level)
    return torch.stack([latents[i] for i in range(1, k + 1)]), torch.stack(
        [reconstructions[i] for i in range(1, k + 1)]
    )


def draw_log_weights(
    model: Cascade, proposal: Proposal, x: Float[Tensor, "n dim"], *, generator: torch.Generator
) -> Float[Tensor, "n"]:
    """log p(x_0, x_1 .. x_k) - log q(x_1 .. x_k | x_0) at one draw of the latents per example, in nats."""
    latents, x_hat = propose(model, proposal, x, generator=generator)
    return log_joint(model, x, latents, x_hat) - log_proposal(model, proposal, x, latents, x_hat)


@torch.enable_grad()
def fit_guided(
    model: Cascade,
    draw: Callable[[int], Float[Tensor, "n dim"]],
    *,
    n_updates: int,
    learning_rate: float,
    generator: torch.Generator,
) -> Guided:
    """Two numbers per level that maximise the guided bound on training data, by Adam from the paper's proposal.

    Args:
        draw: gives the batch of training examples of an update, counted from 0.
    """
    log_std = model.corruption_std[1:].log().clone().requires_grad_()
    share = torch.ones_like(log_std, requires_grad=True)
    parameters = [share, log_std]
    means, squares = [torch.zeros_like(p) for p in parameters], [torch.zeros_like(p) for p in parameters]
    steps = [torch.zeros(()) for _ in parameters]
    for update in range(n_updates):
        guided = Guided(share, log_std.exp())
        bound = draw_log_weights(model, guided, draw(update), generator=generator).mean()
        gradients = list(torch.autograd.grad(-bound, parameters))
        rate = learning_rate * (1.0 - update / n_updates)
        with torch.no_grad():
            adam(
                parameters, gradients, means, squares, [], steps,
                amsgrad=False, beta1=0.9, beta2=0.999, lr=rate, weight_decay=0.0, eps=1e-8, maximize=False,
            )  # fmt: skip
    return Guided(share.detach(), log_std.detach().exp())
