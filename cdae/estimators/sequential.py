"""Sequential Monte Carlo from the top level down, with a look-ahead to x_0.

Particles start at x_k, and a top-down proposal q(x_i | x_{i+1}, x_0) draws the lower levels. The look-ahead psi_i(x_i)
approximates p(x_0 | x_i). The target density at level i, up to a constant, and the weight of a step are

    p(x_k) prod_{j=i}^{k-1} p(x_j | x_{j+1}) psi_i(x_i)
    w_i = p(x_i | x_{i+1}) psi_i(x_i) / (q(x_i | x_{i+1}, x_0) psi_{i+1}(x_{i+1})),    psi_1(x_1) = p(x_0 | x_1)

The look-aheads of levels above 1 cancel along a path. Particles of an example whose effective sample size is low are
resampled in proportion to their weights. The product of the average weights between resamplings is unbiased for p(x_0)
with any look-ahead, so its log is a stochastic lower bound. Not here: how the proposal is fitted (`proposals`).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.importance import effective_sample_size
from cdae.estimators.proposals import Proposal, in_blocks, n_levels
from cdae.estimators.resampling import RESAMPLE_BELOW, ancestors_of
from cdae.gaussian import log_mean_exp, log_normal, standard_normal
from cdae.interfaces import Cascade

BLOCK_STATES = 2_000  # particles of several examples in a block; a constant, because draws and last bits depend on it


@torch.no_grad()
def log_likelihood(
    model: Cascade,
    x: Float[Tensor, "n dim"],
    *,
    proposal: Proposal,
    n_particles: int,
    generator: torch.Generator,
    true_latents: Float[Tensor, "k n dim"] | None = None,
) -> Float[Tensor, "n"]:
    """Return the log of an unbiased estimate of p(x) per example: a stochastic lower bound on log p(x).

    It is in nats and in float64.

    Args:
        proposal: one that draws x_k first: `Guided`, `Paper` or `Widened`.
        n_particles: the number of particles per example.
        true_latents: the latents x_1 .. x_k of x, if the model has generated x. They are the path of the first
            particle, which survives every resampling (conditional sequential Monte Carlo; C. Andrieu, A. Doucet,
            R. Holenstein, 2010), and the estimate becomes a stochastic upper bound on log p(x).

    Raises:
        ValueError: for a bottom-up proposal, for n_particles below 1, or if the shape of true_latents does not fit x.
    """
    if proposal.bottom_up:
        raise ValueError(
            f"sequential: got the proposal {type(proposal).__name__}, expected one that draws x_k first (Guided, "
            "Paper, Widened); use importance sampling for this one"
        )
    if n_particles < 1:
        raise ValueError(f"n_particles: got {n_particles}, expected at least 1")
    blocks = in_blocks(model, x, true_latents, max(1, BLOCK_STATES // n_particles))
    return torch.cat([_log_estimate(model, part, proposal, n_particles, truth, generator) for part, truth in blocks])


def look_ahead(
    model: Cascade, x: Float[Tensor, "n dim"], state: Float[Tensor, "m n dim"], x_hat: Tensor, level: int
) -> Float[Tensor, "m n"]:
    """Return log psi_i = log N(x_0; r(x_i), rho_{i-1}^2) in nats, where i = level.

    Up to a constant, this function of x_i is the expectation of the next step, E log p(x_{i-1} | x_i) over
    x_{i-1} ~ q(x_{i-1} | x_0) (Eq. 3). The variance rho_{i-1}^2 is MSE_i + c_{i-1}^2 (Eq. 9). Unlike MSE_i alone, it is
    positive for any rho. At i = 1 the look-ahead is exact.

    Args:
        x: the clean data x_0.
        state: x_i.
        x_hat: r(x_i), of the shape of state.
        level: i.
    """
    if level == 1:
        return model.last_step(state).log_prob(x, x_hat)
    return log_normal(x_hat, x, model.reconstruction_std[level - 1])


def _log_estimate(
    model: Cascade,
    x: Float[Tensor, "n dim"],
    proposal: Proposal,
    n_particles: int,
    true_latents: Float[Tensor, "k n dim"] | None,
    generator: torch.Generator,
) -> Float[Tensor, "n"]:
    std, rho = proposal.std(model), model.reconstruction_std
    log_estimate = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    log_weights = log_psi = log_estimate.expand(n_particles, -1)
    x_hat = None
    for level in range(n_levels(model), 0, -1):
        mean = proposal.mean(model, level, x, x_hat)
        state = mean + std[level - 1].to(x.dtype) * standard_normal(x, n_particles, *x.shape, generator=generator)
        if true_latents is not None:
            state[0] = true_latents[level - 1]
        log_q = log_normal(state, mean, std[level - 1])
        log_p = model.prior.log_prob(state) if x_hat is None else log_normal(state, x_hat, rho[level])
        x_hat = model.denoise_level(state.flatten(0, 1), level).view_as(state)
        log_psi_above, log_psi = log_psi, look_ahead(model, x, state, x_hat, level)
        log_weights = log_weights + log_p + log_psi - log_q - log_psi_above
        if level > 1:
            low = effective_sample_size(log_weights) < RESAMPLE_BELOW * n_particles
            log_estimate = torch.where(low, log_estimate + log_mean_exp(log_weights), log_estimate)
            ancestors = ancestors_of(log_weights, low, keep_first=true_latents is not None, generator=generator)
            log_weights = log_weights.masked_fill(low, 0.0)
            log_psi = log_psi.gather(0, ancestors)
            x_hat = x_hat.gather(0, ancestors[:, :, None].expand_as(x_hat))
    return log_estimate + log_mean_exp(log_weights)
