"""What is read of a class from its source is what Python says of it."""

import inspect
from typing import Protocol

import numpy as np
import pytest
from torch import nn

from baselines.registry import MODELS, model_class
from cdae import interfaces
from cdae.computing.arrays import read_npz
from cdae.data import load_training_set
from tests.helpers import CDAE_OPTIONS, seeded
from workflow.grid import code_hash, methods
from workflow.grid.methods import offers

PROTOCOLS = {name: value for name, value in vars(interfaces).items() if getattr(value, "_is_protocol", False)}
PROTOCOLS = {name: value for name, value in PROTOCOLS.items() if value is not Protocol}
OF_METHODS_ALONE = [name for name, protocol in PROTOCOLS.items() if not inspect.get_annotations(protocol)]
OPTIONS = {
    "cdae": CDAE_OPTIONS,
    "dae": {"corruption_std": 0.5, "n_walkback_steps": 1, "chain_steps": [1], "hidden_sizes": [4]},
    "vae": {"latent_dim": 2, "hidden_sizes": [4]},
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
        built[kind] = model_class(kind).build(options, data, generator=seeded(0))
    return built


def test_these_are_all_kinds_and_protocols():
    assert set(OPTIONS) == set(MODELS)
    assert set(PROTOCOLS) - set(OF_METHODS_ALONE) == {"Cascade", "Decoder", "Layered"}
    assert {"Samples", "Simulates", "Chained", "Trainable", "Fitted", "Leveled"} <= set(OF_METHODS_ALONE)


@pytest.mark.parametrize("kind", MODELS)
def test_a_class_offers_what_its_instances_have(models, kind):
    said = {name for name in OF_METHODS_ALONE if offers(MODELS[kind], name)}
    assert said == {name for name in OF_METHODS_ALONE if isinstance(models[kind], PROTOCOLS[name])}
    assert said >= {"Samples"}


@pytest.mark.parametrize("kind", MODELS)
def test_conditions_of_figures_and_certificates_hold_of_the_instances_too(models, kind):
    """Also those that name an attribute: no model has the methods without it."""
    for name in set(PROTOCOLS) - set(OF_METHODS_ALONE):
        assert offers(MODELS[kind], name) == isinstance(models[kind], PROTOCOLS[name]), name


def test_every_kind_offers_something_different_of_what_is_asked():
    """So that the comparisons above can fail."""
    asked = {name: frozenset(kind for kind in MODELS if offers(MODELS[kind], name)) for name in PROTOCOLS}
    assert asked["Chained"] == {"dae"} and asked["Simulates"] == {"cdae", "vae"} and asked["Layered"] == {"cdae"}
    assert asked["Trainable"] == {"cdae", "dae", "vae"}
    assert asked["Tractable"] == {"control-gaussian", "control-mixture", "control-ppca"}


def test_methods_of_torch_are_methods_of_its_modules():
    assert methods.OF_TORCH_MODULES and all(callable(getattr(nn.Module, name)) for name in methods.OF_TORCH_MODULES)


SOURCES = {
    "ours.base": "from torch import nn\nclass Base(nn.Module, ABC):\n    def simulate(self): ...\n",
    "ours.child": (
        "from ours.base import Base as Parent\nclass Middle(Parent):\n    @property\n    def n_levels(self): ...\n"
        "class Child(Middle):\n    def step(self): ...\nclass Alone:\n    step = None\n"
    ),
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Modules of ours that exist for one test."""
    for name, text in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(text)
    own = {name: tmp_path / f"{name}.py" for name in SOURCES}
    real = code_hash.module_file
    monkeypatch.setattr(methods, "module_file", lambda module: own.get(module) or real(module))
    yield
    for cached in (methods.methods, methods._tree, methods._classes, methods._imported):
        cached.cache_clear()


def test_methods_are_inherited_within_and_across_files_under_any_name(sources):
    assert methods.methods("ours.child", "Child") == {"step", "n_levels", "simulate", *methods.OF_TORCH_MODULES}
    assert offers("ours.child:Child", "Simulates") and offers("ours.child:Child", "Leveled")
    assert not offers("ours.child:Child", "Chained") and not offers("ours.child:Middle", "Chained")
    assert methods.methods("ours.child", "Alone") == frozenset()
