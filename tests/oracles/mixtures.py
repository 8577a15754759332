"""The log density of a mixture of isotropic Gaussians, computed one component at a time."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm


def parzen_log_density(samples: np.ndarray, x: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return log (1/m) sum_j N(x; samples_j, bandwidth^2 I) in nats, at each row of x (n, d), for samples (m, d)."""
    terms = [norm.logpdf(x, sample, bandwidth).sum(1) for sample in samples]
    return logsumexp(np.stack(terms), axis=0) - np.log(len(samples))
