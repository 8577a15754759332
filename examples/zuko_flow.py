"""A masked autoregressive flow of the library zuko, trained here: its log density is exact.

    y = logit(a + (1 - 2 a) x)          images only; a is a small margin, so that 0 and 1 have finite y
    u = (y - m) / s                     m and s per dimension, of the first training examples that it sees
    e = f(u),  e ~ N(0, I)              the flow, masked networks that give a shift and a width of every dimension
    log p(x) = log N(e; 0, I) + log |det df/du| - sum log s + sum log |dy/dx|

It imports nothing of the benchmark. `loss` and `refit` train it, `log_prob` is the exact log density, and `sample`
draws from it, with one pass through the networks per dimension. G. Papamakarios, T. Pavlakou and I. Murray, "Masked
autoregressive flow for density estimation", 2017. F. Rozet et al., "zuko: normalizing flows in PyTorch", 2022.
"""

import math

import torch
import zuko
from torch import Tensor, nn


class Density(nn.Module):
    """A flow that is not sampled from; not fitted to the data's place and width until `refit` is called.

    Samples take a pass through the networks per dimension, which is dear for images.
    """

    options_schema = {  # noqa: RUF012  read as it is written, before anything runs
        "type": "object",
        "additionalProperties": False,
        "required": ["dim"],
        "properties": {
            "dim": {"description": "dimensions of x", "type": "integer", "minimum": 1},
            "n_transforms": {"description": "networks, one after another", "type": "integer", "minimum": 1},
            "n_hidden": {"description": "units of each of two hidden layers", "type": "integer", "minimum": 1},
            "margin": {
                "description": "a, for data in [0, 1]; 0 for real values, which are not passed through the logit",
                "type": "number",
                "minimum": 0,
                "maximum": 0.1,
            },
        },
    }

    def __init__(self, dim: int, n_transforms: int = 3, n_hidden: int = 128, margin: float = 1e-6):
        super().__init__()
        self.margin = margin
        self.flow = zuko.flows.MAF(dim, transforms=n_transforms, hidden_features=(n_hidden, n_hidden))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.register_buffer("is_fitted", torch.zeros((), dtype=torch.bool))

    def refit(self, x: Tensor, *, generator: torch.Generator) -> None:
        """Set m and s once: called again, before every epoch, they stay, because the networks are trained to them."""
        if not self.is_fitted:
            y, _ = self._to_reals(x)
            self.mean.copy_(y.mean(0))
            self.std.copy_(y.std(0).clamp(min=1e-3))
            self.is_fitted.fill_(True)

    def loss(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """The mean of -log p(x) over a batch, in nats per dimension."""
        return -self.log_prob(x).mean() / x.shape[1]

    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log density in nats, one value per example, summed in double precision."""
        y, log_slope = self._to_reals(x)
        e, log_det = self.flow().transform.call_and_ladj((y - self.mean) / self.std)
        per_dimension = log_slope - self.std.log() - 0.5 * e.square() - 0.5 * math.log(2.0 * math.pi)
        return per_dimension.sum(-1, dtype=torch.float64) + log_det.double()

    def _to_reals(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y and log |dy/dx|, per dimension."""
        if not self.margin:
            return x, torch.zeros_like(x)
        p = self.margin + (1.0 - 2.0 * self.margin) * x
        return p.logit(), math.log1p(-2.0 * self.margin) - p.log() - torch.log1p(-p)


class Flow(Density):
    """The same with samples."""

    @torch.no_grad()
    def sample(self, n_samples: int, *, generator: torch.Generator) -> Tensor:
        """Draw examples (n_samples, dim)."""
        like = {"dtype": self.mean.dtype, "device": self.mean.device}
        e = torch.randn(n_samples, len(self.mean), generator=generator, **like)
        y = self.mean + self.std * self.flow().transform.inv(e)
        return (y.sigmoid() - self.margin) / (1.0 - 2.0 * self.margin) if self.margin else y
