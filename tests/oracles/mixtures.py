"""A mixture of isotropic Gaussians, one term at a time."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm


def parzen_log_density(samples: np.ndarray, x: np.ndarray, bandwidth: float) -> np.ndarray:
    """log (1/m) sum_j N(x; samples_j, bandwidth^2 I) at each row of x."""
    terms = [norm.logpdf(x, sample, bandwidth).sum(1) for sample in samples]
    return logsumexp(np.stack(terms), axis=0) - np.log(len(samples))
