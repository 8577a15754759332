"""What is claimed where test points are unlike the model's own data: no more than a bound of an estimate that is short.

Models in one dimension with a hand-written denoiser, certified as any other, beside their exact log density.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cdae import checkpoint
from cdae.certificates.claims import Claim, threshold_nats
from cdae.corruption import NoiseSchedule
from cdae.data import RawData, prepare
from cdae.model import CDAE
from tests.oracles import scalar_cascade
from workflow.jobs.cell import CellJob
from workflow.jobs.certification import Certification
from workflow.jobs.parts import Parts
from workflow.tables.cells import Certified
from workflow.tables.estimators import claim
from workflow.tables.surpassed import surpassed

N_TRAIN, N_TEST, N_OUTLIERS = 2_000, 1_000, 50
MORE_THAN_A_BOUND = {Claim.CHECKED, Claim.CERTIFIED}
THRESHOLD = threshold_nats(1, None)
SETTINGS = {
    "n_points": 25,
    "n_simulated": 25,
    "check": {"n_points": 25, "n_repeats": 4},
    "importance_weighted": {"n_importance_samples": 100, "n_points": 100},
    "all_pairs": {"n_draws": 20, "n_repeats": 10},
    "sequential": {"n_particles": 20, "n_repeats": 10},
    "annealing": {"n_distributions": 10, "n_chains": 5, "force_precision": "highest"},
}


@dataclass(frozen=True)
class Scalar:
    """A cascade in one dimension: r, which broadcasts over arrays and tensors, its numbers, and test points."""

    mean: Callable[[Any], Any]
    corruption_std: tuple[float, ...]
    reconstruction_std: tuple[float, ...]
    prior_std: float
    test: np.ndarray
    train: np.ndarray
    settings: dict[str, Any] = field(default_factory=lambda: SETTINGS)

    def model(self) -> CDAE:
        zeros, ones = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        model = CDAE(Denoiser(self.mean), NoiseSchedule(self.corruption_std), data_mean=zeros, data_std=ones)
        model.reconstruction_std.copy_(torch.tensor(self.reconstruction_std))
        model.prior_std.fill_(self.prior_std)
        return model

    def exact(self, x: np.ndarray) -> np.ndarray:
        """log p(x) at (n,), in nats."""
        grid, rho = np.linspace(-12.0, 12.0, 2_401), np.array(self.reconstruction_std)
        return scalar_cascade.log_prob(x, self.mean, rho, 0.0, self.prior_std, grid)


class Denoiser(nn.Module):
    def __init__(self, mean: Callable[[Any], Any]):
        super().__init__()
        self.mean = mean

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.mean(x)


class HandWritten(CellJob):
    """A cell whose model is written by hand, and not built from options."""

    def build(self, training_set):
        return self.config["hand_written"]()


def certified(case: Scalar, folder: Path, base_seed: int) -> Certified:
    """The certification of a case, as the tables read it; without the exact row, which no other dimension has."""
    train = case.train.astype(np.float32)[:, None]
    prepare(RawData(train, train[:100], case.test.astype(np.float32)[:, None], None, False), "d", folder / "data.npz")
    identity = {"base_seed": base_seed, "dataset": "d", "model": "m", "family": "m", "seed": 0}
    cell = HandWritten({**identity, "options": {"kind": "cdae"}, "hand_written": case.model, "certify": case.settings})
    checkpoint.save(case.model(), folder / "weights.safetensors")
    done = Certification(cell, folder / "data.npz", Parts(folder / f"parts{base_seed}", "id"))
    done.run(folder / "weights.safetensors")
    done.rows = [row for row in done.rows if row.estimator != "exact"]
    return Certified(done.record(), done.values)


def shortness(case: Scalar, cell: Certified, key: str) -> tuple[float, float]:
    """Exact value minus estimate, in the mean over its test points, in nats, and the standard error of it."""
    indices = cell.values[f"{key}/indices"]
    found = case.exact(case.test.astype(np.float32)[indices].astype(np.float64)) - cell.values[f"{key}/values"]
    return found.mean(), found.std(ddof=1) / np.sqrt(len(found))


def claims(cell: Certified) -> dict[str, Claim]:
    """What is claimed of every row."""
    behind = surpassed(cell, THRESHOLD)
    return {row.key: claim(row, THRESHOLD, doubted=row.key in behind) for row in cell.record.rows}


def short_rows(case: Scalar, cell: Certified) -> list[str]:
    """Keys of the rows that are too low by more than five standard errors."""
    found = {row.key: shortness(case, cell, row.key) for row in cell.record.rows}
    return [key for key, (mean, error) in found.items() if mean > 5.0 * error]


def certified_by_gap_alone(cell: Certified) -> set[str]:
    """Keys of the rows whose gap is small, whatever else speaks against them."""
    rows = [replace(r, n_repeats=None, mean_slope=None, has_heavy_tail=False) for r in cell.record.rows]
    return {row.key for row in rows if claim(row, THRESHOLD) is Claim.CERTIFIED}


def normal(n: int, std: float, seed: int) -> np.ndarray:
    return std * np.random.default_rng(seed).standard_normal(n)


def trapped(x: Any) -> Any:
    """r(x) = 0.8 x, but for the 2% of the prior's mass above 2.054, which go to -2.95."""
    where = torch.where if isinstance(x, Tensor) else np.where
    return where(x > 2.054, -2.95 + 0.0 * x, 0.8 * x)


def bounded(x: Any) -> Any:
    """r(x) = 0.9 tanh x."""
    return 0.9 * (torch.tanh if isinstance(x, Tensor) else np.tanh)(x)


TRAP = Scalar(trapped, (0.0, 0.6), (0.5,), 1.0, test=-2.95 + normal(N_TEST, 0.05, 0), train=normal(N_TRAIN, 0.94, 1))
CALM = Scalar(
    bounded, (0.0, 0.6, 1.2), (0.5, 0.7), 1.6, test=normal(N_TEST, 0.9, 2), train=normal(N_TRAIN, 0.9, 3),
    settings={**SETTINGS, "n_points": 200, "importance_weighted": {"n_importance_samples": 100, "n_points": N_TEST}},
)  # fmt: skip
AMONG_OUTLIERS = np.concatenate([4.5 + normal(N_OUTLIERS, 0.1, 4), CALM.test[N_OUTLIERS:]])
OUTLIERS = replace(CALM, test=np.random.default_rng(5).permutation(AMONG_OUTLIERS))


@pytest.mark.parametrize("base_seed", [0, 1])
def test_a_branch_that_the_inference_model_never_takes_earns_no_claim(tmp_path, base_seed):
    """No simulated point lies in the branch, and all test points do; repeats of a row agree, as none finds it."""
    cell = certified(TRAP, tmp_path, base_seed)
    short = short_rows(TRAP, cell)
    assert len(short) >= 7 and len(certified_by_gap_alone(cell) & set(short)) >= 6
    found = claims(cell)
    assert all(found[key] is Claim.NOT_CONVERGED for key in short)
    assert not MORE_THAN_A_BOUND & set(found.values())


def test_outliers_among_the_test_points_earn_no_claim(tmp_path):
    cell = certified(OUTLIERS, tmp_path, 0)
    short = short_rows(OUTLIERS, cell)
    assert len(certified_by_gap_alone(cell) & set(short)) >= 2
    found = claims(cell)
    assert not MORE_THAN_A_BOUND & {found[key] for key in short}


def test_a_model_whose_estimates_are_right_earns_the_claim(tmp_path):
    cell = certified(CALM, tmp_path, 0)
    found = claims(cell)
    assert len([key for key in found if found[key] is Claim.CHECKED]) >= 5
    for key in found:
        mean, error = shortness(CALM, cell, key)
        assert found[key] not in MORE_THAN_A_BOUND or mean <= THRESHOLD + 2.0 * error
