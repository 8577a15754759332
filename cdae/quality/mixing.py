"""How a Markov chain of examples mixes between classes, told from the class probabilities of its states.

    autocorrelation at lag t   sum_k cov(p_k(s), p_k(s + t)) / sum_k var p_k(s), over all steps s of all chains, about
                               the mean of all chains: a chain that stays in its class is correlated with itself
    effective share            effective sample size over the number of states, from all chains together and averaged
                               over the classes; 1 for independent states, and (1 - a) / (1 + a) for an autoregression
                               of order one with coefficient a
    transitions                changes of class per 1,000 steps, from one state with a class to the next that has one
    classes reached            different classes of the states of one chain
    spurious                   the share of states without a class

A state has the class whose probability is at least 1/2, and no class if there is none. No state is discarded, so a
chain's way from noise to the data counts.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cdae.estimators.progress import Progress, is_tenth, to_stderr
from cdae.quality.effective_size import effective_sample_size
from cdae.quality.judge import CONFIDENT

LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
N_GROUPS = 10  # of chains, at most, of which one at a time is left out for an error
PER = 1_000  # steps that transitions are counted over

Probabilities = Float[np.ndarray, "steps chains classes"]


def walk(
    step: Callable[[Tensor], Tensor],
    start: Float[Tensor, "chains dim"],
    n_steps: int,
    probabilities: Callable[[Tensor], Tensor],
    progress: Progress = to_stderr,
) -> Probabilities:
    """Take n_steps steps from the start, and return the class probabilities of the states after each of them.

    Args:
        progress: receives a line of text after every tenth of the steps.

    Raises:
        ArithmeticError: if a state is not finite.
    """
    found, x = [], start
    for n in range(1, n_steps + 1):
        x = step(x)
        if not x.isfinite().all():
            raise ArithmeticError(f"a state that is not finite after {n} steps")
        found.append(probabilities(x).double().cpu())
        if is_tenth(n - 1, n_steps):
            progress(f"step {n} of {n_steps}")
    return torch.stack(found).numpy()


def autocorrelation(p: Probabilities, lag: int) -> float:
    """Return the autocorrelation at a lag below the number of steps; NaN where no probability varies."""
    p = _varying(p)
    if p.shape[2] == 0:
        return float("nan")
    centred = p - p.mean((0, 1))
    covariance = (centred[lag:] * centred[: len(p) - lag]).mean((0, 1)).sum()
    return float(covariance / np.square(centred).mean((0, 1)).sum())


def effective_share(p: Probabilities) -> float:
    """Return the effective sample size over the number of states; NaN where no probability varies.

    Classes whose probability does not vary at all are left out.
    """
    sizes = [effective_sample_size(chains) for chains in np.moveaxis(_varying(p), 2, 0)]
    return float(np.mean(sizes)) / p[:, :, 0].size if sizes else float("nan")


def _varying(p: Probabilities) -> Float[np.ndarray, "steps chains varying"]:
    """Only the classes whose probability varies."""
    return p[:, :, np.ptp(p, axis=(0, 1)) > 0.0]


def classes(p: Probabilities) -> np.ndarray:
    """Return the class of every state, (steps, chains); -1 for a state without a class."""
    return np.where(p.max(2) >= CONFIDENT, p.argmax(2), -1)


def transitions(p: Probabilities) -> np.ndarray:
    """Return the changes of class per 1,000 steps of each chain."""
    return np.array([PER * np.count_nonzero(np.diff(c[c >= 0])) / (len(p) - 1) for c in classes(p).T])


def classes_reached(p: Probabilities) -> np.ndarray:
    """Return the number of different classes of each chain."""
    return np.array([float(len(set(c[c >= 0].tolist()))) for c in classes(p).T])


def spurious(p: Probabilities) -> np.ndarray:
    """Return the share of states of each chain that have no class."""
    return (classes(p) < 0).mean(0)


def summary(p: Probabilities) -> dict[str, float]:
    """Return every measure with its standard error over chains, which are independent.

    Errors of autocorrelations and of the effective share are those of a jackknife over groups of chains.

    Raises:
        ValueError: for fewer than two chains or eight steps.
    """
    n_steps, n_chains, _ = p.shape
    if n_chains < 2 or n_steps < 8:
        raise ValueError(f"mixing: got {n_chains} chains of {n_steps} steps, expected 2 of 8 at least; take more")
    found: dict[str, float] = {}
    for name, values in (
        ("transitions", transitions(p)),
        ("classes_reached", classes_reached(p)),
        ("spurious", spurious(p)),
    ):
        found[name], found[f"{name}_standard_error"] = values.mean(), values.std(ddof=1) / n_chains**0.5
    measures = {"effective_share": effective_share}
    measures |= {f"autocorrelation_{lag}": _at(lag) for lag in LAGS if lag < n_steps - 1}
    for name, measure in measures.items():
        found[name], found[f"{name}_standard_error"] = measure(p), _jackknife(measure, p)
    return {name: float(value) for name, value in found.items()}


def _at(lag: int) -> Callable[[Probabilities], float]:
    return lambda p: autocorrelation(p, lag)


def _jackknife(measure: Callable[[Probabilities], float], p: Probabilities) -> float:
    """The standard error from values without one group of chains each."""
    groups = np.arange(p.shape[1]) % min(N_GROUPS, p.shape[1])
    values = np.array([measure(p[:, groups != group]) for group in range(groups.max() + 1)])
    n = len(values)
    return float(np.sqrt((n - 1) / n * np.square(values - values.mean()).sum()))
