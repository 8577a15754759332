"""What is read of a class from its source is what Python says of it."""

import inspect
from typing import Protocol

import numpy as np
import pytest
import torch

from baselines.registry import MODELS, OF_BINARY_IMAGES, model_class
from cdae import interfaces
from cdae.computing.arrays import read_npz
from cdae.data import TrainingSet, load_training_set
from tests.helpers import CDAE_OPTIONS, seeded
from workflow.grid.methods import kind_offers, methods_of_class, offers

PROTOCOLS = {name: value for name, value in vars(interfaces).items() if getattr(value, "_is_protocol", False)}
PROTOCOLS = {name: value for name, value in PROTOCOLS.items() if value is not Protocol}
OF_METHODS_ALONE = [name for name, protocol in PROTOCOLS.items() if not inspect.get_annotations(protocol)]
OPTIONS = {
    "cdae": CDAE_OPTIONS,
    "diffusion": CDAE_OPTIONS,
    "dae": {"corruption_std": 0.5, "n_walkback_steps": 1, "chain_steps": [1], "hidden_sizes": [4]},
    "vae": {"latent_dim": 2, "hidden_sizes": [4]},
    "bernoulli-cdae": {
        "n_levels": 2,
        "first_flip": 0.1,
        "last_flip": 0.4,
        "loss": "full",
        "hidden_sizes": [4],
    },
    "bernoulli-vae": {"latent_dim": 2, "hidden_sizes": [4]},
    "control-bernoulli": {"n_components": 2},
    "samples": {},
    "control-gaussian": {"covariance": "diagonal"},
    "control-k-means": {"n_centres": 3},
    "control-mixture": {"n_components": 2, "covariance": "diagonal"},
    "control-ppca": {"n_components": 1},
    "control-training-samples": {},
}


@pytest.fixture(scope="module")
def models(mixture_2d, tmp_path_factory):
    """An untrained model of every kind."""
    path = tmp_path_factory.mktemp("samples") / "theirs.npz"
    np.savez(path, samples=read_npz(mixture_2d, "train")["train"][:200])
    data = load_training_set(mixture_2d)
    built = {}
    for kind, options in OPTIONS.items():
        options = {"kind": kind, **options} | ({"path": str(path)} if kind == "samples" else {})
        binary = TrainingSet(torch.zeros(9, 2), unit_interval=True)
        seen = binary if kind in OF_BINARY_IMAGES else data
        built[kind] = model_class(kind).build(options, seen, generator=seeded(0))
    return built


def test_these_are_all_kinds_and_protocols():
    assert set(OPTIONS) == set(MODELS)
    assert set(PROTOCOLS) - set(OF_METHODS_ALONE) == {"Cascade", "Decoder", "Layered", "ManyLosses"}
    assert {"Samples", "Simulates", "Chained", "Trainable", "Fitted", "Leveled"} <= set(OF_METHODS_ALONE)


@pytest.mark.parametrize("kind", MODELS)
def test_a_class_offers_what_its_instances_have(models, kind):
    said = {name for name in OF_METHODS_ALONE if offers(MODELS[kind], name)}
    assert said == {name for name in OF_METHODS_ALONE if isinstance(models[kind], PROTOCOLS[name])}
    assert ("Samples" in said) == (kind not in OF_BINARY_IMAGES) and said & {"Samples", "Tractable", "Bounded"}


@pytest.mark.parametrize("kind", MODELS)
def test_conditions_of_figures_and_certificates_hold_of_the_instances_too(models, kind):
    """Also those that name an attribute: no model has the methods without it."""
    for name in set(PROTOCOLS) - set(OF_METHODS_ALONE):
        assert offers(MODELS[kind], name) == isinstance(models[kind], PROTOCOLS[name]), name


def test_every_kind_offers_something_different_of_what_is_asked():
    """So that the comparisons above can fail."""
    asked = {name: frozenset(kind for kind in MODELS if offers(MODELS[kind], name)) for name in PROTOCOLS}
    assert asked["Chained"] == {"dae"} and asked["Chain"] == {"diffusion"} and asked["Denoises"] == {"cdae"}
    binary = {"bernoulli-cdae", "bernoulli-vae"}
    assert asked["Simulates"] == {"cdae", "diffusion", "vae", *binary} and asked["Layered"] == {"cdae", "diffusion"}
    assert asked["Trainable"] == {"cdae", "dae", "diffusion", "vae", *binary}
    assert asked["Tractable"] == {"control-bernoulli", "control-gaussian", "control-mixture", "control-ppca"}


def test_a_module_or_a_class_that_is_not_there_has_no_methods():
    assert methods_of_class("cdae.nowhere", "VAE") == methods_of_class("baselines.vae", "VEA") == frozenset()
    assert "simulate" in methods_of_class("baselines.vae", "VAE")


def test_a_users_model_offers_what_its_source_says(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("raise RuntimeError\nclass Mine:\n    def log_prob(self, x): ...\n    def sample(self, n): ...\n")
    assert {name for name in OF_METHODS_ALONE if kind_offers(f"{file}:Mine", name)} == {"Tractable", "Samples"}
