"""The mean of a test split from tight values on a random subset, by regression on the model's own bound.

The own bound b_i (Eq. 4) is known at all N points, the tight value y_i at n of them, f = n / N. With a slope, the
points outside the subset are predicted, where B is the mean of b over those N - n points:

    mean = f mean_i y_i + (1 - f) mean_i [ y_i + beta_(-i) (B - b_i) ]

The slope beta_(-i) is that of least squares without point i (cross-fitting). Given the other points of the subset, i is
a random one of the rest, and so the prediction is unbiased over random subsets, at every n and whatever the relation
between y and b. This is the regression estimator of survey sampling (Cochran, Sampling Techniques, chapter 7) with
the slope of the jackknife (the same, sections 6.17 and 7.10).

Its variance has two parts, of the subset and of the split:

    sum_i (w_i r_i)^2 + beta^2 var(b) / N,    w_i = 1 / n + (mean(b) - mean_s(b)) (b_i - mean_s(b)) / S_bb

with the mean and the sum of squares S_bb of the subset (s) and the residual r_i = e_i / (1 - h_i) that point i has when
it is predicted without itself; h_i is its leverage. The sum is the variance of the jackknife, and w_i grows with the
distance between subset and split.

Coverage of mean ± 2 standard errors, as `tests/workflow/test_regression.py` measures it with 400 draws of N = 10,000
points and n = 25, 100 and 300: 94 to 97% where y is a straight line in b with Gaussian residuals. This holds for the
slopes 0.4 and 1, and with 5% of outliers in a left tail that both share. Where outliers leave the line it is 63% at
n = 25 and 88% at n = 100 in the worst case.

Such values are flagged. The points of the split outside the range of b in the subset carry the slope times their
distance from that range, divided by N. A value `extrapolates` if this exceeds one standard error. Of the values without
the flag at least 92% are covered in every case of the test.

With fewer than 10 points, or where one point alone decides on the slope, the slope is 1 and not fitted: mean(b) plus
the mean of y - b in the subset, the difference estimator of the same book.
"""

from dataclasses import dataclass

import numpy as np

FEWEST_POINTS = 10  # with fewer no slope is fitted
ALL_LEVERAGE = 1.0 - 1e-9  # of a point without which the others do not vary


@dataclass(frozen=True)
class WholeSplit:
    """The mean of the tight value over a test split, in nats.

    Attributes:
        slope: nats of the tight value per nat of the model's own bound.
        extrapolates: whether more than one standard error rests on points beyond the subset.
    """

    mean_nats: float
    standard_error_nats: float
    slope: float
    extrapolates: bool


def whole_split(values: np.ndarray, indices: np.ndarray, bound: np.ndarray) -> WholeSplit:
    """The mean over a split of N points, from a random subset of n.

    Args:
        values: the tight value on the subset, (n,), in nats, with n >= 2.
        indices: of the subset in the split, (n,).
        bound: the model's own bound on the whole split, (N,), in nats.
    """
    y, b = values.astype(np.float64), bound.astype(np.float64)
    x = b[indices]
    can_fit = len(y) >= FEWEST_POINTS and np.ptp(x) > 0.0 and _leverage(x).max() < ALL_LEVERAGE
    mean, variance, slope = _regression(y, x, b) if can_fit else _difference(y, x, b)
    error = np.sqrt(max(variance, 0.0))
    beyond = np.maximum(x.min() - b, 0.0) + np.maximum(b - x.max(), 0.0)
    return WholeSplit(float(mean), float(error), float(slope), bool(abs(slope) * beyond.mean() > error))


def _leverage(x: np.ndarray) -> np.ndarray:
    """h_i, the share of point i in its own fit, (n,)."""
    centred = x - x.mean()
    return 1.0 / len(x) + centred**2 / (centred**2).sum()


def _regression(y: np.ndarray, x: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Mean, its variance and the mean slope, with a slope for every point that is fitted without it."""
    share, centred = len(x) / len(b), x - x.mean()
    squares = (centred**2).sum()
    fitted = (centred * y).sum() / squares
    left_out = (y - y.mean() - fitted * centred) / (1.0 - _leverage(x))
    slopes = fitted - centred * left_out / squares
    to_predict = b.mean() - share * x.mean() - (1.0 - share) * x  # (1 - f) (B - b_i), also where the subset is all
    weights = 1.0 / len(x) + (b.mean() - x.mean()) * centred / squares
    variance = ((weights * left_out) ** 2).sum() + slopes.mean() ** 2 * b.var(ddof=1) / len(b)
    return y.mean() + (slopes * to_predict).mean(), variance, slopes.mean()


def _difference(y: np.ndarray, x: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Mean, its variance and the slope 1: the mean bound on the split, and the mean excess over it on the subset."""
    covariance = np.cov(x, y - x)
    variance = b.var(ddof=1) / len(b) + covariance[1, 1] / len(x) + 2.0 * covariance[0, 1] / len(b)
    return b.mean() + (y - x).mean(), variance, 1.0
