"""All pairs for a cascade of flipped pixels: M draws of every level, combined in all M^k ways.

Its corruption is independent across levels given x_0, so the recursion of `cdae.estimators.all_pairs` holds with
Bernoulli transitions in place of Gaussian ones (tensor Monte Carlo; L. Aitchison, 2019). The exponential of the
estimate is the average importance weight of all M^k paths. It is unbiased for P(x_0), so the estimate is a stochastic
lower bound. The cost per example is k M passes through the network, and k - 1 products of M x M.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.bernoulli import LogBernoulli, flipped, log_flips
from cdae.binary_images import binary
from cdae.gaussian import log_mean_exp

BLOCK_STATES = 2_000  # states of several examples at one level; a constant, because draws depend on it


@runtime_checkable
class FlipCascade(Protocol):
    """What the recursion needs of a cascade of flipped pixels."""

    flip_probability: Float[Tensor, "k"]

    @property
    def n_levels(self) -> int: ...

    @property
    def prior(self) -> LogBernoulli: ...

    def infer(self, x: Float[Tensor, "n dim"], *, generator: torch.Generator) -> Float[Tensor, "k n dim"]: ...

    def logits(self, noisy: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]: ...

    def below(self) -> Float[Tensor, "k"]: ...


@torch.no_grad()
def log_likelihood(
    model: FlipCascade,
    x: Float[Tensor, "n dim"],
    *,
    n_draws: int,
    generator: torch.Generator,
    true_latents: Float[Tensor, "k n dim"] | None = None,
) -> Float[Tensor, "n"]:
    """Return the log of the average weight of all M^k paths per example, in nats: a stochastic lower bound on log P(x).

    Args:
        n_draws: M, the number of draws at every level.
        true_latents: the latents x_1 .. x_k of x, if the model has generated x. They replace the first draw of every
            level, and the estimate becomes a stochastic upper bound on log P(x).

    Raises:
        ValueError: if n_draws is below 1.
    """
    if n_draws < 1:
        raise ValueError(f"n_draws: got {n_draws}, expected at least 1")
    x, at_once = binary(x), max(1, BLOCK_STATES // n_draws)
    truths = [None] * len(x.split(at_once)) if true_latents is None else true_latents.split(at_once, dim=1)
    parts = zip(x.split(at_once), truths, strict=True)
    return torch.cat([_log_mean_weight(model, part, n_draws, truth, generator) for part, truth in parts])


def _log_mean_weight(
    model: FlipCascade, x: Tensor, n_draws: int, true_latents: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Run the recursion, top level first; log_b is (n, M)."""
    states = model.infer(x.repeat_interleave(n_draws, 0), generator=generator)
    states = states.reshape(model.n_levels, len(x), n_draws, -1)
    if true_latents is not None:
        states[:, :, 0] = true_latents
    copies = x[:, None].expand_as(states[0])
    log_q = log_flips(copies.flatten(0, 1), states.flatten(1, 2), model.flip_probability).reshape(states.shape[:-1])
    log_b = model.prior.log_prob(states[-1]) - log_q[-1]
    for level in range(model.n_levels - 1, 0, -1):
        transition = flipped(model.logits(states[level]), model.below()[level])
        pairs = _log_prob_of_pairs(transition, states[level - 1]) + log_b[:, None]
        log_b = log_mean_exp(pairs.movedim(2, 0)) - log_q[level - 1]
    last = flipped(model.logits(states[0]), model.below()[0])
    return log_mean_exp((last.log_prob(copies) + log_b).T)


def _log_prob_of_pairs(transition: LogBernoulli, below: Float[Tensor, "n m dim"]) -> Float[Tensor, "n m l"]:
    """Return log p(x_i^m | x_{i+1}^l) for all pairs, by one matrix product per example."""
    one, zero = transition.one.double(), transition.zero.double()
    return torch.bmm(below.double(), (one - zero).mT) + zero.sum(-1)[:, None]
