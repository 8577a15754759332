"""Devices: which one a name stands for; and on a pretended GPU, whose tensors have shapes and a place and no numbers,
that nothing is left on the processor and that nothing waits for a number in the middle of a computation."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch

from baselines.dae import DAE
from baselines.vae import VAE
from cdae import bound
from cdae.computing import device
from cdae.computing.precision import is_reduced
from cdae.corruption import NoiseSchedule
from cdae.data import RawData, TrainingSet, prepare
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.density_predictor import DensityPredictor
from cdae.estimators import (
    all_pairs,
    annealing,
    gaussian_base,
    importance,
    linearised,
    markov,
    parzen,
    proposals,
    sequential,
    whitened,
)
from cdae.estimators.course import Course
from cdae.estimators.gaussian_base import CascadeFit, DecoderFit
from cdae.estimators.sandwich import Annealing
from cdae.estimators.twist import Twist
from cdae.model import CDAE, LOSSES, RECONSTRUCTIONS
from cdae.training import _Adam
from tests.helpers import seeded
from workflow.jobs.cell import CellJob
from workflow.jobs.training import train

DIM, K, N = 5, 3, 7


def test_auto_is_a_gpu_where_there_is_one(monkeypatch):
    for there_is_one, expected in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=there_is_one: answer)
        assert device.choose("auto").type == expected
        assert device.choose("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device: got 'cuda', but torch finds no NVIDIA GPU here; write auto or cpu"):
        device.choose("cuda")
    with pytest.raises(ValueError, match="device: got 'gpu', expected one of auto, cpu, cuda"):
        device.choose("gpu")


def test_a_gpu_reduces_products_whatever_the_processor_does():
    assert is_reduced("medium", torch.device("cuda"))
    assert not is_reduced("highest", torch.device("cuda"))


GPU = torch.device("meta")  # tensors with shapes and a place, and without numbers


def test_the_pretence_sees_what_it_is_for():
    x = torch.zeros(3, device=GPU)
    with pytest.raises(RuntimeError, match="not on the expected device"):
        x + torch.ones(3)
    with pytest.raises(RuntimeError, match="item"):
        x.sum().item()


def data_scale() -> DataScale:
    return DataScale(torch.full((DIM,), 0.5), 0.3, unit_interval=True)


def cascade(**options) -> CDAE:
    network = mlp(DIM, [8], DIM, generator=seeded(0))
    mean, std = torch.full((DIM,), 0.5), torch.full((DIM,), 0.3)
    schedule = NoiseSchedule.geometric(K, first_std=0.1, last_std=1.0)
    return CDAE(BlindDenoiser(network, data_scale()), schedule, data_mean=mean, data_std=std, **options)


def vae(**options) -> VAE:
    return VAE(data_scale(), latent_dim=2, hidden_sizes=[8], generator=seeded(0), **options)


def dae() -> DAE:
    denoiser = BlindDenoiser(mlp(DIM, [8], DIM, generator=seeded(0)), data_scale())
    starts = torch.zeros(N, DIM)
    return DAE(denoiser, corruption_std=0.1, starts=starts, n_walkback_steps=0, chain_steps=(1, 2))


def predicting(**options) -> CDAE:
    predictor = DensityPredictor(mlp(DIM, [8], DIM, generator=seeded(0)), data_scale(), 1e-6)
    return cascade(density_predictor=predictor, **options)


CDAES = [{"loss": name} for name in LOSSES] + [{"reconstruction": name} for name in RECONSTRUCTIONS]
TRAINABLE = [
    *(pytest.param(partial(cascade, **options), id="-".join(["cdae", *options.values()])) for options in CDAES),
    pytest.param(partial(predicting, loss="full"), id="cdae-predicted-full"),  # the others ask who is at level 1
    pytest.param(vae, id="vae"),
    pytest.param(partial(vae, reconstruction="per_pixel"), id="vae-per_pixel"),
    pytest.param(dae, id="dae"),
]


@pytest.mark.parametrize("make", TRAINABLE)
def test_an_update_asks_the_host_for_nothing(make):
    model = make().to(GPU)
    optimizer = _Adam(list(model.parameters()))
    loss = model.loss(torch.rand(N, DIM, device=GPU), generator=seeded(0))
    assert loss.device == GPU and loss.shape == ()
    optimizer.update(loss, 1e-3)


@pytest.mark.parametrize("make", [cascade, partial(cascade, reconstruction="per_pixel"), dae])
def test_closed_form_parts_are_refitted_there(make):
    model = make().to(GPU)
    with pytest.raises(RuntimeError, match="item"):  # not before a look whether all is finite
        model.refit(torch.rand(N, DIM, device=GPU), generator=seeded(0))


def on_gpu(values: torch.Tensor, *shape: int) -> None:
    assert values.device == GPU
    assert values.shape == shape


@pytest.mark.parametrize("make", [cascade, predicting])
def test_every_estimate_of_a_cascade_is_made_there(make):
    with torch.no_grad():
        model, x, g = make().to(GPU), torch.rand(N, DIM, device=GPU), seeded(0)
        guided = proposals.Guided(*torch.ones(2, K, dtype=torch.float64, device=GPU))
        on_gpu(bound.elbo(model, x, generator=g).total, N)
        on_gpu(markov.markov_bound(model, x, generator=g).total, N)
        weights = importance.log_importance_weights(model, x, n_importance_samples=4, generator=g)
        on_gpu(importance.log_likelihood(weights), N)
        for proposal in (*(make() for make in proposals.PROPOSALS.values()), guided):
            on_gpu(proposals.draw_log_weights(model, proposal, x, generator=g), N)
        on_gpu(all_pairs.log_likelihood(model, x, proposal=proposals.Paper(), n_draws=4, generator=g), N)
        latents = model.infer(x, generator=g)
        options = {"proposal": guided, "n_particles": 4, "generator": g}
        on_gpu(sequential.log_likelihood(model, x, **options), N)
        on_gpu(sequential.log_likelihood(model, x, true_latents=latents, **options), N)
        simulated, latents = model.simulate(N, generator=g)
        on_gpu(simulated, N, DIM)
        on_gpu(latents, K, N, DIM)


@pytest.mark.parametrize("kind", ["cdae", "vae"])
def test_chains_are_annealed_there(kind, monkeypatch):
    monkeypatch.setattr(annealing, "is_tenth", lambda *_: False)  # a line of progress looks at numbers
    for module in (annealing, gaussian_base, linearised, whitened):  # the pretended device has no autocast
        monkeypatch.setattr(module, "layers", lambda *_: nullcontext())
    monkeypatch.setattr(Twist, "cut", lambda self, least: self)  # which looks at numbers too
    x, ends = torch.rand(N, DIM, device=GPU), torch.tensor([0.0, 1.0], dtype=torch.float64)
    if kind == "cdae":
        fit, latents = CascadeFit(cascade().to(GPU), rank=3, n_slopes=3), torch.rand(K, N, DIM, device=GPU)
    else:
        fit, latents = DecoderFit(vae().to(GPU)), torch.rand(N, 2, device=GPU)
    estimator = Annealing(fit, Course(ends, ends, ends + 0.1, ends, 2, "medium"), n_distributions=3, n_chains=2)
    both = estimator.both_sides(x, latents, generator=seeded(0))
    on_gpu(both.log_weights, 1, N)
    on_gpu(both.upper, N)


@pytest.mark.parametrize("make", [cascade, vae])
def test_samples_are_drawn_and_scored_there(make):
    bandwidths = torch.tensor([0.1, 0.2], dtype=torch.float64)
    with torch.no_grad():
        for samples in make().to(GPU).sample_sets(N, generator=seeded(0)):
            values = parzen.log_density_by_bandwidth(samples.values, samples.values, bandwidths=bandwidths)
            on_gpu(values, 2, N)


@pytest.mark.parametrize("levels", [None, 256])
def test_training_examples_are_dequantized_there(levels):
    values = torch.zeros(N, DIM, dtype=torch.uint8 if levels else torch.float32)
    training_set = TrainingSet(values, levels, levels is not None).to(GPU)
    on_gpu(training_set.draw(generator=seeded(0)), N, DIM)
    on_gpu(training_set.covariance(), DIM, DIM)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "control-k-means", "n_centres": 3},
        {"kind": "control-mixture", "n_components": 2, "covariance": "diagonal"},
        {"kind": "control-gaussian", "covariance": "full"},
    ],
    ids=lambda options: options["kind"],
)
def test_closed_forms_are_fitted_on_the_processor_whatever_the_device(options, tmp_path, monkeypatch):
    """Those of NumPy and scikit-learn have no other."""
    monkeypatch.setattr("workflow.jobs.cell.choose", lambda name: torch.device("cpu") if name == "cpu" else GPU)
    values = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    prepare(RawData(values, values, values, None, False), "mine", tmp_path / "mine.npz")
    config = {"base_seed": 0, "dataset": "mine", "model": "m", "seed": 0, "options": options, "device": "cuda"}
    model, record = train(CellJob(config), tmp_path / "mine.npz", {})
    assert record == {"status": "ok"}
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
