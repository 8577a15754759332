"""Bernoulli log probabilities and divergences of black and white images, one value per example, in nats.

A Bernoulli variable is given by its logit l, or by the logs of both of its probabilities, because neither is one minus
the other to single precision. Flipped with probability f, it is 1 with probability

    p(1) = s(l) (1 - f) + s(-l) f,   s(l) = 1 / (1 + exp(-l))

The last axis holds the pixels, and all sums over it are in float64. These are probabilities of discrete data: nothing
is dequantized, and no density is compared with them.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid


class LogBernoulli(NamedTuple):
    """The logs of both probabilities of every pixel, in nats, of shapes that broadcast to the data."""

    one: Tensor
    zero: Tensor

    def at(self, x: Tensor) -> Tensor:
        """Return the log probability of every pixel of x, whose values are 0 and 1."""
        return torch.where(x > 0.5, self.one, self.zero)

    def log_prob(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Return log p(x), summed over pixels."""
        return self.at(x).sum(-1, dtype=torch.float64)

    def kl_from_flips(self, x: Float[Tensor, "*batch dim"], flip: Tensor) -> Float[Tensor, "*batch"]:
        """Return KL(q, p), where q flips every pixel of x with probability `flip`; with 0 it is -log p(x).

        Args:
            flip: in [0, 1), of a shape that broadcasts to that of x.
        """
        minus_entropy = torch.xlogy(flip, flip) + torch.xlogy(1.0 - flip, 1.0 - flip)
        expected = (1.0 - flip) * self.at(x) + flip * self.at(1.0 - x)
        return (minus_entropy - expected).sum(-1, dtype=torch.float64)

    def expand(self, n: int) -> "LogBernoulli":
        """Return n times the same distribution, (n, dim), of one of all pixels, (dim,)."""
        return LogBernoulli(self.one.expand(n, -1), self.zero.expand(n, -1))

    def sample(self, *, generator: torch.Generator) -> Tensor:
        """Draw every pixel once."""
        return torch.bernoulli(self.one.exp(), generator=generator)


def flipped(logits: Tensor, flip: Tensor) -> LogBernoulli:
    """Return what Bernoulli variables with these logits are once they are flipped with probability `flip` in [0, 1)."""
    one, zero, stay, change = logsigmoid(logits), logsigmoid(-logits), torch.log1p(-flip), flip.log()
    return LogBernoulli(torch.logaddexp(one + stay, zero + change), torch.logaddexp(zero + stay, one + change))


def log_bernoulli(x: Float[Tensor, "*batch dim"], logits: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
    """Return log p(x) of Bernoulli variables with these logits, summed over pixels."""
    return logsigmoid(torch.where(x > 0.5, logits, -logits)).sum(-1, dtype=torch.float64)


def from_probabilities(probability: Tensor) -> LogBernoulli:
    """Return Bernoulli variables with these probabilities of 1."""
    return LogBernoulli(probability.log(), torch.log1p(-probability))


def log_flips(x: Float[Tensor, "n dim"], noisy: Float[Tensor, "k n dim"], flip: Float[Tensor, "k"]) -> Tensor:
    """Return the log probability that flips of every pixel lead from x to noisy[i], (k, n), with flip[i] in (0, 1)."""
    n_flips, log_flip = (noisy - x).abs().sum(-1, dtype=torch.float64), flip.double()[:, None]
    return n_flips * log_flip.log() + (x.shape[-1] - n_flips) * torch.log1p(-log_flip)
