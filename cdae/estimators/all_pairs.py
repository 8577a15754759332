"""All pairs: M draws of every level, combined in all M^k ways (tensor Monte Carlo; L. Aitchison, 2019).

The proposal's levels must be independent given x_0. With draws x_i^m ~ q(x_i | x_0), m = 1 .. M:

    b_k[m]     = log p(x_k^m) - log q(x_k^m | x_0)
    b_i[m]     = logmeanexp_m'( log p(x_i^m | x_{i+1}^m') + b_{i+1}[m'] ) - log q(x_i^m | x_0)
    log p(x_0) ~ logmeanexp_m( log p(x_0 | x_1^m) + b_1[m] )

The exponential of the estimate is the average importance weight (Eq. 11) of all M^k paths. It is unbiased for p(x_0),
so the estimate is a stochastic lower bound. The cost per example is k M passes through the network, and k - 1 matrices
of M x M transition densities. Not here: proposals whose levels depend on one another (`sequential`, `importance`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.proposals import Paper, Proposal, in_blocks, n_levels
from cdae.gaussian import log_mean_exp, log_normal, log_normal_pairs, standard_normal
from cdae.interfaces import Cascade

# These are constants, because draws and last bits depend on them. A block holds all M states of an example at a level.
BLOCK_STATES = 2_000  # states of several examples at one level
BLOCK_PAIRS = 500_000  # values of log p(x_i^m | x_{i+1}^m')


@torch.no_grad()
def log_likelihood(
    model: Cascade,
    x: Float[Tensor, "n dim"],
    *,
    proposal: Proposal,
    n_draws: int,
    generator: torch.Generator,
    true_latents: Float[Tensor, "k n dim"] | None = None,
) -> Float[Tensor, "n"]:
    """Return the log of the average weight of all M^k paths per example: a stochastic lower bound on log p(x).

    It is in nats and in float64.

    Args:
        proposal: `Paper` or `Widened`, whose levels are independent given x_0.
        n_draws: M, the number of draws at every level.
        true_latents: the latents x_1 .. x_k of x, if the model has generated x. They replace the first draw of every
            level, and the estimate becomes a stochastic upper bound on log p(x).

    Raises:
        ValueError: for another proposal, for n_draws below 1, or if the shape of true_latents does not fit x.
    """
    if not isinstance(proposal, Paper):
        raise ValueError(
            f"all pairs: got the proposal {type(proposal).__name__}, expected Paper or Widened, whose levels are "
            "independent given x_0; use sequential Monte Carlo or importance sampling for this one"
        )
    if n_draws < 1:
        raise ValueError(f"n_draws: got {n_draws}, expected at least 1")
    blocks = in_blocks(model, x, true_latents, max(1, BLOCK_STATES // n_draws))
    return torch.cat([_log_mean_weight(model, part, proposal, n_draws, truth, generator) for part, truth in blocks])


def _log_mean_weight(
    model: Cascade,
    x: Float[Tensor, "n dim"],
    proposal: Proposal,
    n_draws: int,
    true_latents: Float[Tensor, "k n dim"] | None,
    generator: torch.Generator,
) -> Float[Tensor, "n"]:
    """Run the recursion, top level first. States and reconstructions are relative to x_0, which is close to both."""
    k, std, rho = n_levels(model), proposal.std(model), model.reconstruction_std
    origin = x[:, None]
    x_hat = log_b = None
    for level in range(k, 0, -1):
        noise = standard_normal(x, len(x), n_draws, x.shape[1], generator=generator)
        state = std[level - 1].to(x.dtype) * noise
        if true_latents is not None:
            state[:, 0] = true_latents[level - 1] - x
        if log_b is None:
            log_p = model.prior.log_prob(origin + state)
        else:
            log_p = _log_mean_transition(state, x_hat, rho[level], log_b)
        log_b = log_p - log_normal(state, torch.zeros_like(x[0]), std[level - 1])
        mean = model.denoise_level((origin + state).flatten(0, 1), level).view_as(state)
        x_hat = mean - origin
    return log_mean_exp((model.last_step(origin + state).log_prob(origin, mean) + log_b).T)


def _log_mean_transition(
    state: Float[Tensor, "n m dim"], x_hat: Float[Tensor, "n l dim"], rho: Tensor, log_b: Float[Tensor, "n l"]
) -> Float[Tensor, "n m"]:
    """Return logmeanexp_m'( log p(x_i^m | x_{i+1}^m') + b_{i+1}[m'] ) for every m, in blocks of several m."""
    averages = []
    for part in state.split(max(1, BLOCK_PAIRS // log_b.numel()), dim=1):
        log_weights = log_normal_pairs(part, x_hat, rho) + log_b[:, None]
        averages.append(log_mean_exp(log_weights.movedim(2, 0)))
    return torch.cat(averages, dim=1)
