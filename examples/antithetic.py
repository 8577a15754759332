"""An estimator for any decoder: latents from the prior in pairs z and -z, which cancels what is odd in z.

    log p(x) = log E [ (p(x | z) + p(x | -z)) / 2 ],   z ~ N(0, I)

The log of the average over pairs is, in expectation, a lower bound on log p(x). It is tight for few latent dimensions.
J. Hammersley and K. Morton, "A new Monte Carlo technique: antithetic variates", 1956.
"""

import math

import torch

from cdae.estimators.convergence import has_converged
from cdae.interfaces import Estimate


class AntitheticPrior:
    """The class attributes are read before anything runs: what it needs of a model, and what its numbers are."""

    protocol = "Decoder"
    claim = "stochastic lower bound"
    title = "Antithetic prior"
    sentence = "log of the average of p(x given z) over {n_pairs} pairs z and -z from the prior"
    options_schema = {  # noqa: RUF012
        "type": "object",
        "additionalProperties": False,
        "required": ["n_pairs"],
        "properties": {"n_pairs": {"description": "pairs per example", "type": "integer", "minimum": 1}},
    }

    def __init__(self, n_pairs: int):
        self.n_pairs = n_pairs

    def estimate(self, model, data, *, generator: torch.Generator):
        """One value per example, in nats, and whether the pairs agree."""
        x = data.examples
        pairs = []
        for _ in range(self.n_pairs):
            z = torch.randn(len(x), model.latent_dim, generator=generator, dtype=x.dtype, device=x.device)
            both = torch.stack([model.log_likelihood(x, z), model.log_likelihood(x, -z)]).double()
            pairs.append(both.logsumexp(0) - math.log(2.0))
        log_weights = torch.stack(pairs)
        yield Estimate(
            log_weights.logsumexp(0) - math.log(self.n_pairs),
            torch.arange(len(x)),
            converged=has_converged(log_weights, torch.full_like(log_weights[0], math.nan)),
        )
