"""Inference models q(x_1 .. x_k | x_0) for a trained cascade p; each gives lower bounds on the same log p(x_0).

    paper       x_i ~ N(x_0, c_i^2), independent across levels (Eq. 3)
    widened     x_i ~ N(x_0, rho_i^2) for i < k, x_k ~ N(x_0, c_k^2); every level i < k meets the condition for weights
                of finite variance (`variance_ratios`)
    renoising   x_1 ~ N(x_0, c_1^2), x_{i+1} ~ N(r(x_i), c_{i+1}^2 + MSE_i), bottom-up; exact for isotropic Gaussian
                data with the optimal denoiser of each level
    guided      x_i ~ N(a_i x_0 + (1 - a_i) m_i, t_i^2), top-down, with m_i = r(x_{i+1}) and the prior mean m_k; a_i and
                t_i maximise the bound on training data, and a_i = 1, t_i = c_i is the paper's q

Each draws x_i from a Gaussian whose mean depends on x_0 and on outputs of the denoiser. The density p needs the same
outputs, so one pass through the network per level is enough. Not here: estimates from the weights (`importance`).
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

    bottom_up: bool  # true if x_i is drawn after x_{i-1}, false if after x_{i+1}

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        """Return the mean of x_level given x_0 and the state drawn before it, of a shape that broadcasts to x_level.

        Args:
            x: the clean data x_0.
            x_hat: the reconstruction of the state drawn before, r(x_{level-1}) if bottom-up and else r(x_{level+1});
                None for the state that is drawn first.
        """
        ...

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        """Return the standard deviations of x_1 .. x_k, in data units: (k,), or (k, dim) if they vary over pixels."""
        ...


class Paper:
    """The paper's inference model, x_i ~ N(x_0, c_i^2), independent across levels (Eq. 3)."""

    bottom_up = False

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        """Return x_0."""
        return x

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        """Return c_1 .. c_k."""
        return model.corruption_std[1:]


class Widened(Paper):
    """The paper's inference model with the variances of p's transitions: x_i ~ N(x_0, rho_i^2), x_k ~ N(x_0, c_k^2)."""

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        """Return rho_1 .. rho_{k-1}, c_k."""
        rho, c = model.reconstruction_std, model.corruption_std
        return torch.cat([rho[1:], c[-1].expand_as(rho[:1])])


class Renoising:
    """The bottom-up inference model x_{i+1} ~ N(r(x_i), c_{i+1}^2 + MSE_i), x_1 ~ N(x_0, c_1^2).

    The mean squared error is MSE_i = rho_{i-1}^2 - c_{i-1}^2 (Eq. 9).
    """

    bottom_up = True

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        """Return x_0 at level 1, and r(x_{level-1}) above it."""
        return x if x_hat is None else x_hat

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        """Return c_1, and the square roots of c_{i+1}^2 + MSE_i for i = 1 .. k-1."""
        rho = model.reconstruction_std
        c = per_level(model.corruption_std, rho)
        mse = rho.square() - c[:-1].square()  # mse[i] is MSE_{i+1}
        added = torch.cat([torch.zeros_like(mse[:1]), mse[:-1]])  # x_1 is drawn from x_0, without an error
        return (c[1:].square() + added).sqrt()


class Guided:
    """The top-down inference model x_i ~ N(a_i x_0 + (1 - a_i) m_i, t_i^2), m_i = r(x_{i+1}), m_k the prior mean.

    Args:
        share: (k,), a_1 .. a_k, the weights of x_0.
        stds: (k,), t_1 .. t_k, in data units.
    """

    bottom_up = False

    def __init__(self, share: Float[Tensor, "k"], stds: Float[Tensor, "k"]):
        self.share, self.stds = share, stds

    def mean(self, model: Cascade, level: int, x: Tensor, x_hat: Tensor | None) -> Tensor:
        """Return a_i x_0 + (1 - a_i) m_i for i = level."""
        mean = (model.prior_mean if x_hat is None else x_hat).to(x.dtype)
        return mean + self.share[level - 1].to(x.dtype) * (x - mean)

    def std(self, model: Cascade) -> Float[Tensor, "k *pixels"]:
        """Return t_1 .. t_k."""
        return self.stds


PROPOSALS = {"paper": Paper, "widened": Widened, "renoising": Renoising}  # the ones without fitted numbers


def n_levels(model: Cascade) -> int:
    """Return k, the number of levels of a cascade."""
    return len(model.reconstruction_std)


def in_blocks(
    model: Cascade, x: Float[Tensor, "n dim"], true_latents: Float[Tensor, "k n dim"] | None, n_rows: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Split x into blocks of at most n_rows examples, each with its true latents x_1 .. x_k, or None if not given.

    Raises:
        ValueError: if the shape of true_latents is not (k, n, dim).
    """
    expected = (n_levels(model), *x.shape)
    if true_latents is not None and true_latents.shape != expected:
        raise ValueError(f"true_latents: got shape {tuple(true_latents.shape)}, expected {expected}; stack x_1 .. x_k")
    latents = repeat(None) if true_latents is None else true_latents.split(n_rows, dim=1)
    return zip(x.split(n_rows), latents, strict=False)


def variance_ratios(model: Cascade, proposal: Proposal) -> Float[Tensor, "k"]:
    """Return the variance of p's transition to x_i divided by the proposal's, for i = 1 .. k.

    It is the largest ratio over pixels, and at the top level, where p is the prior, over all directions. With a bounded
    denoiser the importance weights have finite variance if and only if every ratio is below 2. With an unbounded one
    their variance can be finite or infinite on either side of 2.
    """
    std = proposal.std(model)
    ratios = [(p / q).max() for p, q in zip(model.reconstruction_std[1:], std[:-1], strict=True)]
    return torch.stack([*ratios, model.prior.largest_ratio(std[-1])]).square()


def log_joint(
    model: Cascade, x: Float[Tensor, "n dim"], latents: Float[Tensor, "k n dim"], x_hat: Float[Tensor, "k n dim"]
) -> Float[Tensor, "n"]:
    """Return log p(x_0, x_1, ..., x_k) in nats, where latents[i] is x_{i+1} and x_hat[i] is r(x_{i+1})."""
    total = model.prior.log_prob(latents[-1]) + model.last_step(latents[0]).log_prob(x, x_hat[0])
    for state, mean, std in zip(latents[:-1], x_hat[1:], model.reconstruction_std[1:], strict=True):
        total = total + log_normal(state, mean, std)
    return total


def log_proposal(
    model: Cascade,
    proposal: Proposal,
    x: Float[Tensor, "n dim"],
    latents: Float[Tensor, "k n dim"],
    x_hat: Float[Tensor, "k n dim"],
) -> Float[Tensor, "n"]:
    """Return log q(x_1, ..., x_k | x_0) in nats, where latents[i] is x_{i+1} and x_hat[i] is r(x_{i+1})."""
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
    """Draw x_1 .. x_k from the proposal given x_0 = x, and return them with their reconstructions r(x_1) .. r(x_k)."""
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
    """Draw the latents once per example, and return log p(x_0, x_1 .. x_k) - log q(x_1 .. x_k | x_0) there, in nats."""
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
    """Fit a_i and t_i of the guided proposal by maximising its lower bound on training data.

    Adam starts at the paper's proposal, a_i = 1 and t_i = c_i.

    Args:
        draw: maps the number of an update, counted from 0, to its batch of training examples.
        n_updates: the number of gradient steps.
        learning_rate: of the first update; it falls linearly to 0 at n_updates.
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
