"""Every estimator of log p(x) with two sides, by name, on models whose log density is known."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from cdae.corruption import NoiseSchedule
from cdae.estimators import proposals, sandwich
from cdae.estimators.course import Course
from cdae.estimators.gaussian_base import CascadeFit, DecoderFit
from cdae.estimators.proposals import Guided, Paper, Renoising, Widened
from cdae.estimators.two_sided import TwoSided
from cdae.model import CDAE
from cdae.pixel_density import PixelDensity
from tests.annealing_helpers import linear_decoder
from tests.helpers import finite_variance_cascade, seeded, two_mode_cascade
from tests.oracles import factor_model, scalar_cascade

ENDS = torch.tensor([0.0, 1.0], dtype=torch.float64)
COURSE = Course(ENDS, ENDS, torch.full_like(ENDS, 0.4), ENDS, 2, "highest")


def rough_fit(model: nn.Module) -> CascadeFit:
    """A base that is not exact for a linear cascade either."""
    return CascadeFit(model, rank=1, n_slopes=1, n_states=2, n_rounds=0, n_centrings=0, force_precision="highest")


@dataclass(frozen=True, eq=False)
class Known:
    """A model, its exact log density at (n, dim), points to estimate it at, and numbers that suit its estimators."""

    model: nn.Module
    log_prob: Callable[[np.ndarray], np.ndarray]
    points: Tensor
    guided: Guided | None = None
    step_size: float = 0.9

    @cache  # noqa: B019
    def simulated(self, n: int) -> tuple[Tensor, Tensor, np.ndarray]:
        """Data, the latents on the way there, and the exact log density."""
        x, latents = self.model.simulate(n, generator=seeded(1))
        return x, latents, self.log_prob(x.numpy())


def guided(share: list[float], std: list[float]) -> Guided:
    return Guided(torch.tensor(share, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


class TwoModes(nn.Module):
    """The denoiser of `two_mode_cascade`, differentiable: modes at -1 and 1 of std 0.2, corruption 0.5."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        variance = 0.2**2 + 0.5**2
        return (0.2**2 * x + 0.5**2 * torch.tanh(x / variance)) / variance


def mean_of(x: np.ndarray) -> np.ndarray:
    """The mean of a `predicting` cascade's transitions."""
    return 0.6 * np.tanh(x) + 0.1


def std_of(x: np.ndarray) -> np.ndarray:
    """The standard deviation of its last step."""
    return 0.3 + 0.9 / (1.0 + np.exp(-2.0 * x))


class Mean(nn.Module):
    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return 0.6 * torch.tanh(x) + 0.1


class Predictor(nn.Module):
    """A last step with these standard deviations, and perhaps a broad component."""

    def __init__(self, broad_share: float = 0.0):
        super().__init__()
        self.broad_share = torch.tensor([broad_share]) if broad_share else None

    def forward(self, x: Tensor) -> PixelDensity:
        return PixelDensity(0.3 + 0.9 * torch.sigmoid(2.0 * x), self.broad_share)


RHO = np.array([0.6, 0.75])  # rho_i^2 < 2 c_i^2: weights of finite variance


def predicting(predictor: nn.Module | None) -> CDAE:
    """One dimension, two levels, a last step that is predicted from x_1; rho_0 without a prediction."""
    zeros, ones = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    schedule = NoiseSchedule((0.0, 0.6, 1.2))
    model = CDAE(Mean(), schedule, data_mean=zeros, data_std=0.7 * ones, density_predictor=predictor)
    model.reconstruction_std.copy_(torch.from_numpy(RHO))
    return model


def predicting_log_prob(x: np.ndarray, broad_share: float = 0.0) -> np.ndarray:
    """log p(x) at (n,), by quadrature."""
    grid, prior_std = np.linspace(-10.0, 10.0, 801), predicting(None).prior_std.item()
    return scalar_cascade.log_prob(x, mean_of, [std_of(grid), *RHO[1:]], 0.0, prior_std, grid, broad_share)


@cache
def linear() -> Known:
    model, oracle = finite_variance_cascade()
    points = torch.tensor([[0.2, -0.4], [0.9, -0.4], [-0.3, 0.2]], dtype=torch.float64)
    return Known(model, oracle.log_prob, points, guided([0.8, 0.7], [0.6, 1.15]))


@cache
def two_modes() -> Known:
    """On a mode, between the modes and off a mode."""
    model, log_prob = two_mode_cascade()
    grid = torch.linspace(-3.0, 3.0, 50, dtype=torch.float64)[:, None]
    torch.testing.assert_close(TwoModes()(grid, grid), model.denoiser(grid, grid))
    model.denoiser = TwoModes()
    suited = guided([0.9, 0.8, 0.6], [0.35, 0.75, 1.5])
    return Known(model, lambda x: log_prob(x[:, 0]), column(-1.0, 0.3, 0.9), suited, step_size=0.6)


BROAD_SHARE = 0.3


@cache
def robust() -> Known:
    """Outside the broad component, and within."""
    suited = guided([0.7, 0.5], [0.55, 1.0])
    model = predicting(Predictor(BROAD_SHARE))
    return Known(model, lambda x: predicting_log_prob(x[:, 0], BROAD_SHARE), column(-0.4, 1.5, 0.3), suited)


@cache
def decoder() -> Known:
    """A linear decoder; its encoder has half as much variance again as the posterior, and its mean a little aside."""
    model, weights, bias = linear_decoder(dim=3, latent_dim=2, std=0.8)
    gain = factor_model.posterior(bias + np.eye(3), weights, bias, 0.8)[0].T
    variance = np.diag(factor_model.posterior(bias[None], weights, bias, 0.8)[1])
    with torch.no_grad():
        model.encoder[0].weight.copy_(torch.from_numpy(np.vstack([gain, np.zeros_like(gain)])))
        model.encoder[0].bias.copy_(torch.from_numpy(np.concatenate([0.3 - gain @ bias, np.log(1.5 * variance)])))
    model.requires_grad_(False)
    points = torch.from_numpy(bias) + torch.tensor([[0.0, 0.0, 0.0], [0.5, -1.0, 0.5], [-1.0, 1.0, 1.0]])
    return Known(model, lambda x: factor_model.log_prob(x, weights, bias, 0.8), points, step_size=0.5)


MODELS = {"linear": linear, "two modes": two_modes, "robust": robust, "decoder": decoder}

IMPORTANCE = ["paper", "widened", "renoising", "guided"]
CASCADE = [*IMPORTANCE, "prior", "all pairs", "widened pairs", "sequential", "paper particles", "annealed"]
DECODER = ["encoder", "decoder's prior", "annealed encoder"]
NAMES = [*CASCADE, *DECODER]


def known(name: str) -> Known:
    """The simplest model that an estimator runs on."""
    return decoder() if name in DECODER else linear()


def make(name: str, case: Known, n_draws: int, n_rows: int = 1) -> TwoSided:
    """n_draws of every level in each of n_rows independent repeats; they are the same where a row is a draw."""
    model, repeats = case.model, {"n_repeats": n_rows}
    inference_models = {"paper": Paper(), "widened": Widened(), "renoising": Renoising(), "guided": case.guided}
    if name in IMPORTANCE:
        return sandwich.cascade_sampling(model, inference_models[name], n_draws * n_rows)
    if name == "prior":
        return sandwich.prior_sampling_of_cascade(model, n_draws * n_rows)
    if name in ("all pairs", "widened pairs"):
        proposal = Widened() if name == "widened pairs" else Paper()
        return sandwich.repeated_all_pairs(model, proposal, n_draws=n_draws, **repeats)
    if name in ("sequential", "paper particles"):
        proposal = Paper() if name == "paper particles" else case.guided
        return sandwich.repeated_sequential(model, proposal, n_particles=n_draws, **repeats)
    if name == "encoder":
        return sandwich.encoder_sampling(model, n_draws * n_rows)
    if name == "decoder's prior":
        return sandwich.prior_sampling_of_decoder(model, n_draws * n_rows)
    return sandwich.Annealing(DecoderFit(model) if name == "annealed encoder" else rough_fit(model), COURSE, 3, n_draws)


def has_finite_variance(name: str, case: Known) -> bool:
    """Whether its importance weights have finite variance, for the estimators of a cascade."""
    if name == "prior":
        return True  # its weights p(x_0 | x_1) are bounded
    proposal = {"paper": Paper(), "all pairs": Paper(), "paper particles": Paper(), "renoising": Renoising()}
    proposal |= {"widened": Widened(), "widened pairs": Widened()}
    return bool((proposals.variance_ratios(case.model, proposal.get(name, case.guided)) < 2.0).all())
