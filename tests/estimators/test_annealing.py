"""Annealing in whitened coordinates against exact densities: weights of both directions, and mutants of every part."""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cdae.corruption import NoiseSchedule
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.density_predictor import DensityPredictor
from cdae.estimators import annealing, conditional, course, rotation, whitened
from cdae.estimators.conditional import Slope, twisted, twisted_top
from cdae.estimators.course import Course
from cdae.estimators.gaussian_base import ENCODER_WIDENING, CascadeFit, DecoderFit
from cdae.estimators.proposals import log_joint
from cdae.estimators.sandwich import Annealing
from cdae.estimators.twist import Twist
from cdae.estimators.whitened import Base, CascadeBase, DecoderBase, Units
from cdae.gaussian import log_normal
from cdae.model import CDAE
from tests.annealing_helpers import assert_mean_above, assert_unbiased, linear_decoder, quiet
from tests.estimators.two_sided import decoder
from tests.helpers import linear_cascade, mutated, seeded
from tests.oracles import scalar_cascade

pytestmark = pytest.mark.usefixtures("without_checks_of_shapes")
SMALL = {"rank": 8, "min_information": 0.0, "n_slopes": 8, "n_moves": 3, "n_centrings": 1, "n_draws": 8}
fit = partial(CascadeFit, **SMALL, force_precision="highest")


LARGEST = 50.0  # log weight of a mutant


def constant_course(angle: float, n_steps: int = 2) -> Course:
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    return Course(ends, ends, torch.full_like(ends, angle), torch.full_like(ends, math.nan), n_steps, "highest")


def both_ways(
    base: Base, latents: Tensor, path: Course, n_distributions: int, n_chains: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Logs of the estimates of p(x) and of 1 / p(x)."""
    sizes = {"n_distributions": n_distributions, "n_chains": n_chains, "progress": quiet}
    lower = annealing.lower_bound(base, path, **sizes, generator=seeded(1))
    upper = annealing.upper_bound(base, latents, path, **sizes, generator=seeded(2))
    return lower.numpy(), -upper.numpy()


# A denoiser that is not linear


def curve(x: np.ndarray) -> np.ndarray:
    return 1.2 * np.tanh(x) + 0.2


class Curved(nn.Module):
    """The same for tensors."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return 1.2 * torch.tanh(x) + 0.2


def curved(n: int, last_step_std: float = 0.6) -> tuple[CDAE, Tensor, Tensor, np.ndarray]:
    """The cascade, n points of it with their latents, and their log density by quadrature."""
    std = torch.tensor([1.02], dtype=torch.float64)
    model = CDAE(Curved(), NoiseSchedule((0.0, 0.3, 0.7, 1.5)), data_mean=torch.zeros_like(std), data_std=std)
    model.reconstruction_std.copy_(torch.tensor([last_step_std, 0.5, 0.9]))
    x, latents = model.simulate(n, generator=seeded(4))
    rho, grid = model.reconstruction_std.numpy(), np.linspace(-12.0, 12.0, 1_201)
    exact = scalar_cascade.log_prob(x[:, 0].numpy(), curve, rho, 0.0, model.prior_std.item(), grid)
    return model, x, latents, exact


def mild_base(model: CDAE, x: Tensor) -> CascadeBase:
    """Far from any optimum, and wide enough for weights of finite variance in both directions."""
    units, ones = Units(model), torch.ones(len(x), 1, 1, dtype=torch.float64)
    in_units = [units.to_units(level, x) for level in (1, 2, 3)]
    slopes = [Slope(0.7 * here, 0.4 * ones, ones, above) for here, above in pairwise(in_units)]
    information = (0.2, 0.1, 0.1)
    twists = [Twist(ones, torch.full_like(u, one), 0.1 * u) for u, one in zip(in_units, information, strict=True)]
    inner = [twisted(slope, twist) for slope, twist in zip(slopes, twists[:-1], strict=True)]
    return CascadeBase(model, x, [*inner, twisted_top(twists[-1])])


def relative_weights(n_chains: int, n_distributions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """The estimates of p(x) and 1 / p(x), times the other, for many points."""
    model, x, latents, exact = curved(20_000)
    base = mild_base(model, x)
    there, back = both_ways(base, latents, constant_course(0.8), n_distributions, n_chains)
    return np.exp((there - exact).clip(max=LARGEST)), np.exp((back + exact).clip(max=LARGEST))


@pytest.mark.parametrize("n_chains", [1, 3])
def test_estimates_average_to_the_density_and_their_inverses_to_its_inverse(n_chains, monkeypatch):
    """To 5 standard errors of at most 3%; with several chains, which are resampled always and by chance."""
    monkeypatch.setattr(annealing, "RESAMPLE_BELOW", 0.9)
    weights = relative_weights(n_chains)
    assert_unbiased_within_3_percent(*weights)
    assert all(w.std() > 0.1 / n_chains for w in weights)  # the base alone is not exact


def assert_unbiased_within_3_percent(*weights: np.ndarray) -> None:
    assert_unbiased(*weights)
    assert all(w.std() < 0.03 * math.sqrt(len(w)) for w in weights)


def test_chains_that_are_resampled_come_closer_than_chains_that_are_not(monkeypatch):
    """To the exact density, from either side, where chains start far away and move little."""
    model, x, latents, exact = curved(1_000, last_step_std=0.1)
    gaps = []
    for threshold in (0.0, 0.5):
        monkeypatch.setattr(annealing, "RESAMPLE_BELOW", threshold)
        there, back = both_ways(mild_base(model, x), latents, constant_course(0.1), 20, 8)
        assert_mean_above(exact - there, 0.0, -5.0)
        assert_mean_above(-back - exact, 0.0, -5.0)
        gaps.append(-back - there)
    assert_mean_above(gaps[0] - gaps[1], 0.0, 3.0)


# Mutants


def volume_of_the_base_dropped(monkeypatch):
    zero = property(lambda self: torch.zeros(len(self.widths), dtype=torch.float64))
    monkeypatch.setattr(conditional.Conditional, "log_volume", zero)


def volume_counted_twice(monkeypatch):
    original = conditional.Conditional.log_volume.fget
    monkeypatch.setattr(conditional.Conditional, "log_volume", property(lambda self: 2.0 * original(self)))


def slope_missing_from_the_inverse(monkeypatch):
    original = conditional.Conditional.whiten

    def whiten(self, u, above):
        return original(self, u, None if above is None else self.center)

    monkeypatch.setattr(conditional.Conditional, "whiten", whiten)


def adaptation_inside_the_run(monkeypatch):
    """A longer rotation wherever the last one went down in phi."""

    def move(self, state, t):
        angle = torch.where(state.phi < getattr(self, "last", state.phi + 1.0).mean(), 1.5, 0.1)[:, None]
        self.last = state.phi
        return self.transition(state, beta=self.betas[t].item(), step_size=angle.to(state.z.dtype))[0]

    monkeypatch.setattr(annealing._Run, "move", move)


def transition_term_dropped(monkeypatch):
    """The top level's prior is not paid for."""
    original = whitened.CascadeBase.potential

    def potential(self, z, precision="highest"):
        return original(self, z, precision) - 0.5 * self._draw(self.conditionals, z)[-1].square().sum(-1)

    monkeypatch.setattr(whitened.CascadeBase, "potential", potential)


def truth_put_where_the_base_is_likely(monkeypatch):
    """A whitening that is not the inverse."""
    monkeypatch.setattr(whitened.CascadeBase, "whiten", lambda self, latents: torch.zeros_like(latents))


MUTANTS = [
    volume_of_the_base_dropped,
    volume_counted_twice,
    slope_missing_from_the_inverse,
    adaptation_inside_the_run,
    transition_term_dropped,
    truth_put_where_the_base_is_likely,
]


@pytest.mark.parametrize("mutate", MUTANTS)
def test_mutants_are_biased(mutate, monkeypatch):
    mutate(monkeypatch)
    weights = relative_weights(n_chains=1)
    with pytest.raises(AssertionError):
        assert_unbiased_within_3_percent(*weights)


IN_A_LINE = {
    "average weight dropped": ("log_estimate + log_mean_exp(log_weights), log_estimate", "log_estimate, log_estimate"),
    "weights kept": ("log_weights = log_weights.masked_fill(low, 0.0)", "pass"),
    "backwards in the order of beta": ("range(self.n_distributions - 1, 0, -1)", "range(1, self.n_distributions)"),
    "truth not kept": ("state = kept[t].joined_by(", "state = state.rows(slice(n)).joined_by("),
    "increments in another order": ("self.betas.diff().tolist()", "self.betas.diff().cumsum(0).tolist()"),
    "ancestors of another point": ("(ancestors * n + ", "(ancestors * n + n - 1 - "),
}


@pytest.mark.parametrize("name", IN_A_LINE)
def test_mutants_of_the_resampling_are_biased(name, monkeypatch):
    mutant = mutated(annealing, *IN_A_LINE[name])
    for side in ("lower_bound", "upper_bound"):
        monkeypatch.setattr(annealing, side, getattr(mutant, side))
    mutant.RESAMPLE_BELOW = 0.9
    weights = relative_weights(n_chains=3)
    with pytest.raises(AssertionError):
        assert_unbiased_within_3_percent(*weights)


# Bases


@pytest.mark.parametrize("prior", ["diagonal", "isotropic", "full"])
@pytest.mark.parametrize("reconstruction", ["isotropic", "per_pixel"])
def test_the_base_of_a_linear_cascade_is_its_posterior(prior, reconstruction):
    """phi = -log p(x) wherever z is: the weights have no variance, annealed or not."""
    model, oracle = linear_cascade(1, dim=6, n_levels=4, reconstruction=reconstruction, prior=prior)
    x, latents = model.simulate(7, generator=seeded(6))
    base = fit(model)(x, generator=seeded(7))
    exact = oracle.log_prob(x.numpy())
    for n_distributions in (1, 3):
        there, back = both_ways(base, latents, constant_course(0.4), n_distributions)
        np.testing.assert_allclose(there, exact, atol=1e-9)
        np.testing.assert_allclose(back, -exact, atol=1e-9)


class DecoderAlone:
    """Without its encoder."""

    def __init__(self, model: nn.Module):
        self.latent_dim, self.log_likelihood = model.latent_dim, model.log_likelihood


STARTS = {"encoder": lambda model: model, "prior": DecoderAlone}


def weights_of_a_linear_decoder(start: str) -> tuple[np.ndarray, np.ndarray]:
    """As `relative_weights`, from an encoder that is wide and a little aside, or from the prior."""
    case = decoder()
    x, z = case.model.simulate(4_000, generator=seeded(8))
    exact, start = case.log_prob(x.numpy()), STARTS[start](case.model)
    there, back = both_ways(DecoderFit(start)(x, generator=seeded(9)), z, constant_course(0.4, 4), 10)
    return np.exp((there - exact).clip(max=LARGEST)), np.exp((back + exact).clip(max=LARGEST))


@pytest.mark.parametrize("start", STARTS)
def test_weights_average_to_the_density_of_a_linear_decoder(start):
    weights = weights_of_a_linear_decoder(start)
    assert_unbiased_within_3_percent(*weights)
    assert all(w.std() > 0.1 for w in weights)  # the start alone is not exact


def prior_of_the_latents_dropped(monkeypatch):
    original = whitened.DecoderBase.potential

    def potential(self, z, precision="highest"):
        return original(self, z, precision) - 0.5 * self.latents(z).square().sum(-1)

    monkeypatch.setattr(whitened.DecoderBase, "potential", potential)


def latents_are_not_what_was_whitened(monkeypatch):
    monkeypatch.setattr(whitened.DecoderBase, "whiten", lambda self, latents: latents + 2.0)


OF_DECODERS = [
    ("encoder", volume_of_the_base_dropped),
    ("encoder", volume_counted_twice),
    *[(start, mutate) for start in STARTS for mutate in (
        prior_of_the_latents_dropped, latents_are_not_what_was_whitened, adaptation_inside_the_run
    )],
]  # fmt: skip


@pytest.mark.parametrize(("start", "mutate"), OF_DECODERS)
def test_mutants_of_the_base_of_a_decoder_are_biased(start, mutate, monkeypatch):
    mutate(monkeypatch)
    weights = weights_of_a_linear_decoder(start)
    with pytest.raises(AssertionError):
        assert_unbiased_within_3_percent(*weights)


def test_a_decoder_without_an_encoder_starts_from_its_prior():
    model, *_ = linear_decoder(dim=6, latent_dim=2, std=1.0)
    assert DecoderFit(DecoderAlone(model))(torch.zeros(3, 6), generator=seeded(9)).conditional is None


def test_the_base_of_an_encoder_has_its_moments_widened():
    model, *_ = linear_decoder(dim=6, latent_dim=2, std=1.0)
    x, _ = model.simulate(3, generator=seeded(8))
    mean, std = model.encode(x)
    base = DecoderFit(model)(x, generator=seeded(9))
    zero, one = torch.zeros(3, 2, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64)
    torch.testing.assert_close(base.latents(zero), mean, rtol=0.0, atol=0.4)
    torch.testing.assert_close(base.latents(one) - base.latents(zero), ENCODER_WIDENING * std, rtol=0.2, atol=0.0)


def test_the_prior_is_a_base_of_a_decoder():
    """phi = -log p(x | z), and nothing is moved."""
    model, *_ = linear_decoder(dim=30, latent_dim=5, std=0.5)
    x, z = model.simulate(4, generator=seeded(10))
    base = DecoderBase(model, x, None)
    assert base.latents(z) is z and base.whiten(z) is z
    with torch.no_grad():
        torch.testing.assert_close(base.potential(z), -model.log_likelihood(x, z))


def test_phi_is_the_log_density_of_the_base_over_the_joint_density():
    """With the density of the base from the determinant of its Jacobian, by automatic differentiation."""
    model, x, _, _ = curved(5)
    base = mild_base(model, x)
    z = base.draw_white(1, generator=seeded(11))
    latents = base.latents(z)
    jacobian = torch.autograd.functional.jacobian(
        lambda flat: base.latents(flat.reshape(z.shape)).flatten(), z.flatten()
    )
    by_point = jacobian.reshape(3, 5, 3, 5).diagonal(dim1=1, dim2=3).permute(2, 0, 1)
    log_q = log_normal(z[:, :, 0].T, torch.zeros(3), torch.ones(3)) - torch.linalg.slogdet(by_point)[1]
    log_p = log_joint(model, x, latents, model.denoise(latents))
    torch.testing.assert_close(base.potential(z), log_q - log_p, rtol=0.0, atol=1e-10)


def test_whitening_is_the_inverse_of_the_base():
    """For several chains of every point, which keep to their points' own base."""
    model, _ = linear_cascade(2, dim=6, n_levels=3, prior="full")
    x, _ = model.simulate(4, generator=seeded(12))
    base = replace(fit(model), rank=3, n_slopes=2)(x, generator=seeded(13))
    z = base.draw_white(5, generator=seeded(14))
    assert z.shape == (3, 20, 6)
    torch.testing.assert_close(base.whiten(base.latents(z)), z, rtol=0.0, atol=1e-10)
    assert base.potential(z).reshape(5, 4).std(0).min() > 0.1  # cut, so no longer exact


# The estimator


def test_both_sides_meet_at_the_exact_density_in_any_chunks(monkeypatch):
    """Seven points in chunks of three, two chains each."""
    monkeypatch.setattr("cdae.estimators.sandwich.BASE_POINTS", 3)
    model, oracle = linear_cascade(3, dim=4, n_levels=3)
    x, latents = model.simulate(7, generator=seeded(15))
    estimator = Annealing(fit(model), constant_course(0.4), n_distributions=3, n_chains=2)
    exact, sides = oracle.log_prob(x.numpy()), estimator.both_sides(x, latents, generator=seeded(17))
    for values in (estimator.log_weights(x, generator=seeded(16)), *sides):
        np.testing.assert_allclose(values.numpy(), np.broadcast_to(exact, values.shape), atol=1e-9)
    assert sides.log_weights.shape == (1, 7) and sides.upper.shape == (7,)


def test_bounds_of_a_curved_cascade_lie_on_both_sides_and_close():
    model, x, latents, exact = curved(3_000)
    gaps = []
    for n_distributions in (1, 16):
        there, back = both_ways(mild_base(model, x), latents, constant_course(0.8), n_distributions)
        assert_mean_above(exact - there, 0.0, -5.0)
        assert_mean_above(-back - exact, 0.0, -5.0)
        gaps.append(-back - there)
    assert_mean_above(gaps[0] - gaps[1], 0.0, 5.0)
    assert gaps[1].mean() < 0.2 * gaps[0].mean()


# The course


def test_betas_lie_at_equal_lengths_and_angles_in_between():
    betas, lengths = torch.tensor([0.0, 0.1, 1.0]).double(), torch.tensor([0.0, 3.0, 6.0]).double()
    path = Course(betas, lengths, torch.tensor([0.4, 0.2, 0.1]).double(), torch.ones(3).double(), 4, "highest")
    expected = torch.tensor([0.0, 0.05, 0.1, 0.55, 1.0]).double()
    torch.testing.assert_close(path.betas_of(4), expected)
    torch.testing.assert_close(path.at(expected), torch.tensor([0.4, 0.3, 0.2, 0.15, 0.1]).double())


def test_a_pilot_measures_the_length_and_tunes_the_angles():
    """phi of N(0, I) against N(m, I): sd(phi) = |m| at every beta, so the length is |m|."""
    mean = torch.tensor([3.0, 4.0]).double()

    class Shifted(DecoderBase):
        def __init__(self, x):
            self.x = x

        def draw_white(self, n_chains, *, generator):
            return torch.randn(n_chains * len(self.x), 2, generator=generator, dtype=torch.float64)

        def potential(self, z, precision="highest"):
            return -(z @ mean) + 0.5 * mean @ mean

    base, settings = Shifted(torch.zeros(50, 2).double()), {"n_steps": 4, "force_precision": "highest"}
    flown = course.pilot(base, n_chains=8, **settings, generator=seeded(18), progress=quiet)
    assert flown.lengths[-1].item() == pytest.approx(5.0, rel=0.1)
    assert flown.acceptance.min() > 0.999 and (flown.angles <= 0.5 * math.pi / 4 + 1e-12).all()
    with pytest.raises(ValueError, match="n_chains: got 1, expected at least 2"):
        course.pilot(base, n_chains=1, **settings, generator=seeded(18), progress=quiet)


def test_a_pilot_on_an_exact_base_and_its_course_are_usable():
    """phi does not vary at all."""
    model, oracle = linear_cascade(4, dim=3, n_levels=2)
    x, latents = model.simulate(5, generator=seeded(19))
    base = fit(model)(x, generator=seeded(20))
    flown = course.pilot(base, n_chains=2, n_steps=2, force_precision="highest", generator=seeded(21), progress=quiet)
    there, back = both_ways(base, latents, flown, 4)
    np.testing.assert_allclose(there, oracle.log_prob(x.numpy()), atol=1e-9)
    np.testing.assert_allclose(back, -there, atol=1e-9)


def test_a_pilot_tunes_the_angle_to_its_acceptance_rate():
    _, x, _, _ = curved(40)
    sharp = CDAE(
        Curved(),
        NoiseSchedule((0.0, 0.3, 0.7, 1.5)),
        data_mean=torch.zeros(1).double(),
        data_std=torch.ones(1).double(),
    )
    sharp.reconstruction_std.copy_(torch.tensor([0.02, 0.5, 0.9]))
    base = mild_base(sharp, x)
    flown = course.pilot(base, n_chains=8, n_steps=4, force_precision="highest", generator=seeded(22), progress=quiet)
    assert flown.acceptance[-1].item() == pytest.approx(course.ACCEPTANCE, abs=0.08)
    assert flown.angles[-1] < 0.3 * course.LARGEST_TURN / 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"betas": [0.0, 1.0, 0.5]}, "betas"),
        ({"lengths": [0.0, 2.0, 1.0]}, "lengths"),
        ({"lengths": [1.0, 2.0, 3.0]}, "lengths"),
        ({"angles": [0.1, 0.0, 0.1]}, "angles"),
        ({"angles": [0.1, math.nan, 0.1]}, "angles"),
        ({"n_steps": 0}, "n_steps: got 0"),
    ],
)
def test_a_course_that_cannot_be_flown_is_refused(change, message):
    values = {"betas": [0.0, 0.5, 1.0], "lengths": [0.0, 1.0, 2.0], "angles": [0.1] * 3, "acceptance": [0.7] * 3}
    arrays = {name: torch.tensor(change.get(name, value), dtype=torch.float64) for name, value in values.items()}
    with pytest.raises(ValueError, match=message):
        Course(**arrays, n_steps=change.get("n_steps", 4), force_precision="highest")


def test_runs_without_distributions_or_chains_are_refused():
    model, x, latents, _ = curved(3)
    base, path = mild_base(model, x), constant_course(0.4)
    rest = {"generator": seeded(0), "progress": quiet}
    for n_distributions, n_chains, message in ((0, 1, "n_distributions: got 0"), (1, 0, "n_chains: got 0")):
        sizes = {"n_distributions": n_distributions, "n_chains": n_chains}
        with pytest.raises(ValueError, match=message):
            annealing.lower_bound(base, path, **sizes, **rest)
        with pytest.raises(ValueError, match=message):
            annealing.upper_bound(base, latents, path, **sizes, **rest)


# Networks, in float32


def network_cascade(last_step: bool) -> tuple[CDAE, Tensor, Tensor]:
    network, scale = mlp(16, [32], 16, generator=seeded(23)), DataScale(torch.zeros(16), 1.0, unit_interval=False)
    predictor = DensityPredictor(mlp(16, [32], 16, generator=seeded(24)), scale, 0.01) if last_step else None
    schedule = NoiseSchedule((0.0, 0.5, 1.0, 2.0))
    denoiser = BlindDenoiser(network, scale)
    model = CDAE(denoiser, schedule, data_mean=torch.zeros(16), data_std=torch.ones(16), density_predictor=predictor)
    return model, *model.simulate(6, generator=seeded(25))


@pytest.mark.parametrize("last_step", [False, True], ids=["one-std", "predicted-std"])
def test_a_network_has_a_base_near_its_posterior(last_step):
    """Its bound is closer to the value that both sides agree on than that of the corruption, by far."""
    model, x, latents = network_cascade(last_step)
    estimator = Annealing(CascadeFit(model), constant_course(0.3, 4), n_distributions=30, n_chains=4)
    value = estimator.log_weights(x, generator=seeded(26))[0]
    upper = estimator.both_sides(x, latents, generator=seeded(27)).upper
    assert value.dtype == upper.dtype == torch.float64
    torch.testing.assert_close(value, upper, rtol=0.0, atol=0.5)
    base = CascadeFit(model)(x, generator=seeded(28))
    with torch.no_grad():
        phi = base.potential(base.draw_white(50, generator=seeded(29))).reshape(50, -1)
        paper = model.bound_terms(x, model.infer(x, generator=seeded(30))).total
    assert ((value + phi.mean(0)) < 0.2 * (value - paper)).all()


def test_forces_in_bfloat16_are_close_to_those_in_float32():
    model, x, _ = network_cascade(last_step=False)
    base = CascadeFit(model)(x, generator=seeded(31))
    z = base.draw_white(3, generator=seeded(32))
    full, reduced = (rotation.evaluate(base.potential, z, precision) for precision in ("highest", "bfloat16"))
    torch.testing.assert_close(full.phi, reduced.phi, rtol=0.0, atol=1e-9)  # energies are always in full
    assert (full.gradient - reduced.gradient).norm() < 0.1 * full.gradient.norm()


def test_results_depend_on_the_generator_alone():
    model, x, latents = network_cascade(last_step=False)
    estimator = Annealing(CascadeFit(model), constant_course(0.3, 2), n_distributions=3, n_chains=1)

    def upper(x, generator):
        return estimator.both_sides(x, latents, generator=generator).upper

    for run in (estimator.log_weights, upper):
        one, again, other = (run(x, generator=seeded(seed)) for seed in (33, 33, 34))
        assert torch.equal(one, again) and not torch.equal(one, other)
