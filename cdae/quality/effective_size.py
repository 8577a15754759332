"""The effective sample size of the mean of a quantity, from several Markov chains together.

With split chains (halves count as chains), the mean variance W within them and v = W (n - 1) / n + var of their means,

    rho_t = 1 - (W - mean autocovariance at lag t) / v,   ESS = states / (-1 + 2 sum_t rho_t)

The sum ends before the first pair rho_{2t} + rho_{2t+1} that is not positive, and pairs never increase (C. Geyer,
"Practical Markov Chain Monte Carlo", 1992). Chains that stay apart have a large v, and so a small ESS. Source: A.
Vehtari et al., "Rank-Normalization, Folding, and Localization", 2021, Section 3.2. ArviZ has the same estimator; its
import would take longer than a job.
"""

import numpy as np
from jaxtyping import Float


def effective_sample_size(x: Float[np.ndarray, "steps chains"]) -> float:
    """Return the effective sample size of the mean; NaN where nothing varies.

    Raises:
        ValueError: for fewer than eight steps.
    """
    if len(x) < 8:
        raise ValueError(f"effective_sample_size: got {len(x)} steps, expected at least 8; take more")
    half = len(x) // 2
    chains = np.concatenate([x[:half], x[-half:]], axis=1).T
    n_states = chains.size
    covariance = _autocovariance(chains).mean(0)
    within = covariance[0] * half / (half - 1)
    total = covariance[0] + chains.mean(1).var(ddof=1)
    if not total > 0.0:
        return float("nan")
    rho = 1.0 - (within - covariance) / total
    rho[0] = 1.0
    n_known = (half - 3) // 2 + 1  # pairs; the last lags rest on hardly any products
    even, odd = rho[0::2][:n_known], rho[1::2][:n_known]
    pairs = even + odd
    n_pairs = int(np.argmax(pairs <= 0.0)) if (pairs <= 0.0).any() else n_known - 1
    time = -1.0 + 2.0 * np.minimum.accumulate(pairs[:n_pairs]).sum() + max(even[n_pairs], 0.0)
    return float(n_states / max(time, 1.0 / np.log10(n_states)))


def _autocovariance(x: Float[np.ndarray, "chains steps"]) -> Float[np.ndarray, "chains steps"]:
    """Return sums of products over the number of steps, at every lag, by a Fourier transform."""
    n = x.shape[1]
    transform = np.fft.rfft(x - x.mean(1, keepdims=True), n=2 * n)
    return np.fft.irfft(np.square(np.abs(transform)), n=2 * n)[:, :n] / n
