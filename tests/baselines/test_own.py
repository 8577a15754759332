"""A user's model as a model of this suite: what is forwarded, what is made of it, and what is refused."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from baselines.own import own_model
from baselines.registry import model_class
from cdae import interfaces
from cdae.data import TrainingSet
from cdae.estimators.catalogue import estimators_for
from cdae.gaussian import log_normal
from cdae.interfaces import Decoder, Fitted, InputWarning, Samples, Simulates, Trainable
from cdae.training import fit
from tests.helpers import assert_moments, seeded

DATA = TrainingSet(torch.arange(12.0).reshape(6, 2))
HEAD = """
import torch
from torch import nn
from cdae.interfaces import BoundTerms, SampleSet, SampleVariant
"""
DECODER = """
class Mine:
    latent_dim = 1
    def log_likelihood(self, x, z): return -0.5 * ((x - z) ** 2).sum(-1) - 1.8378770664093453
    def sample_x(self, z, *, generator): return z + torch.randn(len(z), 2, generator=generator)
"""
LAYER = """
class Mine(nn.Module):
    def __init__(self, size=1):
        super().__init__()
        self.layer, self.dropout, self.modes = nn.Linear(2, size), nn.Dropout(0.5), []
    def loss(self, x, *, generator):
        self.modes.append(self.training)
        return self.layer(x).square().mean()
    def refit(self, x, *, generator): self.refitted_on = tuple(x.shape)
    def sample(self, n, *, generator):
        self.modes.append(self.training)
        return torch.zeros(n, 2)
"""


def write(tmp_path, text):
    file = tmp_path / "mine.py"
    file.write_text(HEAD + text)
    return f"{file}:Mine"


def built(kind, data=DATA, **options):
    return model_class(kind).build({"kind": kind, **options}, data, generator=seeded(0))


def test_a_decoder_of_three_methods_can_be_annealed_and_simulated_and_sampled(tmp_path):
    kind = write(tmp_path, DECODER)
    model = built(kind)
    assert isinstance(model, Decoder) and isinstance(model, Simulates) and isinstance(model, Samples)
    assert not isinstance(model, Trainable) and not isinstance(model, Fitted) and model.latent_dim == 1
    assert estimators_for(model_class(kind)) == ["parzen"]
    x, z = model.simulate(4_000, generator=seeded(1))
    assert_moments(x.numpy(), [0.0, 0.0], [[2.0, 1.0], [1.0, 2.0]])
    assert_moments((x - z).numpy(), [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    expected = log_normal(x, z, torch.ones(()))
    assert model.log_likelihood(x, z).dtype == torch.float64
    torch.testing.assert_close(model.log_likelihood(x, z), expected, rtol=1e-5, atol=1e-5)
    (samples,) = model.sample_sets(5, generator=seeded(1))
    assert samples.values.shape == (5, 2) and samples.variant.last_step == "sample"


GRAY = TrainingSet(torch.full((400, 2), 0.25), unit_interval=True, binarized=True)
PIXELS = """
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.latent_dim, self.seen = 1, []
        self.likelihood = torch.distributions.Bernoulli(probs=torch.full((2,), 0.25))
    def see(self, x):
        self.seen.append(x)
        return x
    def log_likelihood(self, x, z): return self.likelihood.log_prob(x).sum(-1)
    def sample_x(self, z, *, generator): return (torch.rand(len(z), 2, generator=generator) < 0.25).float()
    def log_prob(self, x): return self.see(x).sum(-1)
    def infer(self, x, *, generator): return self.see(x)
    def log_weights(self, x, z): return self.see(x).sum(-1)
    def bound_terms(self, x, z): return BoundTerms(self.see(x).sum(-1), x.new_zeros(0, len(x)), x.new_zeros(len(x)))
    def loss(self, x, *, generator): return self.see(x).sum()
    def refit(self, x, *, generator): self.see(x)
"""


def test_binarized_data_are_shown_black_and_white_alone_and_drawn_anew_by_training(tmp_path):
    """Torch's Bernoulli refuses gray values, and a likelihood of them is none."""
    model, x = built(write(tmp_path, PIXELS), data=GRAY), GRAY.values
    for _ in range(2):
        model.log_likelihood(x, x[:, :1])
        model.log_prob(x), model.infer(x, generator=seeded(1)), model.log_weights(x, x), model.bound_terms(x, x)
        model.refit(x, generator=seeded(1))
    seen = model.model.seen
    assert len(seen) == 10 and all(torch.equal(other, seen[0]) for other in seen)
    model.model.seen.clear()
    generator = seeded(1)
    model.loss(x, generator=generator), model.loss(x, generator=generator)
    assert not torch.equal(*model.model.seen)
    for drawn in (seen[0], *model.model.seen):
        assert set(drawn.unique().tolist()) == {0.0, 1.0} and abs(drawn.mean().item() - 0.25) < 5 * 0.0153


def test_other_data_are_shown_as_they_are(tmp_path):
    model = built(write(tmp_path, PIXELS), data=replace(GRAY, binarized=False))
    assert torch.equal(model.infer(GRAY.values, generator=seeded(1)), GRAY.values)


def test_a_class_has_the_methods_of_its_source_and_no_other(tmp_path):
    every = [value for value in vars(interfaces).values() if getattr(value, "_is_runtime_protocol", False)]
    kind = write(tmp_path, "class Mine:\n    def log_prob(self, x): return x.sum(-1)\n    def denoise(self, x): ...\n")
    model = built(kind)
    found = {protocol.__name__ for protocol in every if isinstance(model, protocol)}
    assert found == {"Tractable"}
    assert estimators_for(own_model(kind)) == ["exact"]


def test_training_is_in_training_mode_and_all_else_is_not(tmp_path):
    model = built(write(tmp_path, LAYER), training={})
    assert isinstance(model, Trainable)
    list(model.sample_sets(3, generator=seeded(0)))
    before = model.model.layer.weight.clone()
    fit(model, DATA, n_updates=2, batch_size=3, learning_rate=0.1, generator=seeded(0), progress=lambda line: None)
    list(model.sample_sets(3, generator=seeded(0)))
    assert not torch.equal(before, model.model.layer.weight) and model.model.refitted_on == (6, 2)
    assert model.model.modes == [False, True, True, False]
    assert copy.deepcopy(model).state_dict().keys() == {"model.layer.weight", "model.layer.bias"}


def test_what_has_weights_of_its_own_is_not_trained(tmp_path):
    kind = write(tmp_path, LAYER)
    torch.save(built(kind).model.state_dict() | {"layer.bias": torch.tensor([7.0])}, tmp_path / "w.pt")
    model = built(kind, weights=str(tmp_path / "w.pt"))
    assert not isinstance(model, Trainable) and isinstance(model, Samples) and model.model.layer.bias.item() == 7.0


def test_the_same_generator_builds_the_same_model_from_its_options(tmp_path):
    kind = write(tmp_path, LAYER)
    one, same = (built(kind, options={"size": 3}).model.layer.weight for _ in range(2))
    other = model_class(kind).build({"options": {"size": 3}}, DATA, generator=seeded(1)).model.layer.weight
    assert torch.equal(one, same) and not torch.equal(one, other) and one.shape == (3, 2)


def test_a_build_of_its_own_gets_the_options_the_data_and_the_generator(tmp_path):
    text = """
class Mine:
    @classmethod
    def build(cls, options, training_set, *, generator):
        made = cls()
        made.got = options, len(training_set), torch.rand((), generator=generator).item()
        return made
    def log_prob(self, x): ...
"""
    assert built(write(tmp_path, text), options={"a": 1}).model.got[:2] == ({"a": 1}, 6)


def test_a_function_makes_the_object_that_it_names(tmp_path):
    text = "class Made:\n    def log_prob(self, x): return x.sum(-1)\ndef Mine(shift) -> Made: return Made()\n"
    model = built(write(tmp_path, text), options={"shift": 1})
    assert model.log_prob(DATA.values).tolist() == [1.0, 5.0, 9.0, 13.0, 17.0, 21.0]


def test_a_fit_a_bound_and_samples_are_forwarded(tmp_path):
    text = """
class Mine(nn.Module):
    def fit_closed_form(self, training_set, *, generator): self.n = len(training_set)
    def infer(self, x, *, generator): return x + 1.0
    def log_weights(self, x, latents): return (latents - x).sum(-1)
    def bound_terms(self, x, latents): return BoundTerms(x[:, 0], x.new_zeros(0, len(x)), latents[:, 1])
    def simulate(self, n, *, generator): return torch.zeros(n, 2), torch.ones(n, 3)
    def sample_sets(self, n, *, generator):
        yield SampleSet(SampleVariant("mean"), torch.ones(n, 2))
"""
    model = built(write(tmp_path, text))
    model.fit_closed_form(DATA, generator=seeded(0))
    x = DATA.values
    latents = model.infer(x, generator=seeded(0))
    assert model.model.n == 6 and model.log_weights(x, latents).tolist() == [2.0] * 6
    assert torch.equal(model.bound_terms(x, latents).total, x[:, 0] - x[:, 1] - 1.0)
    assert model.simulate(4, generator=seeded(0))[1].shape == (4, 3)
    assert [s.variant.last_step for s in model.sample_sets(4, generator=seeded(0))] == ["mean"]


@pytest.mark.parametrize(
    ("text", "call", "expected"),
    [
        ("def log_prob(self, x): return x", "log_prob", r"log_prob returned shape \(6, 2\), expected .* \(6,\)"),
        ("def log_prob(self, x): return 1.0", "log_prob", "log_prob returned a float, expected a tensor"),
        ("def log_prob(self, x): return x[:, 0] > 0", "log_prob", r"returned torch\.bool, expected real numbers"),
        ("def log_prob(self, x): return (x - x).sum(-1) / 0", "log_prob", "returned NaN for all of 6 examples"),
        ("def simulate(self, n, *, generator): return torch.ones(n, 2) > 0, 0", "build", r"returned torch\.bool, exp"),
        ("def log_prob(self, x): return x @ x", "log_prob", r"log_prob raised RuntimeError: .* given \(6, 2\)"),
        ("def log_prob(self): ...", "log_prob", "log_prob raised TypeError"),
        ("def sample(self, n, *, generator): return torch.zeros(n, 3)", "samples", r"shape \(4, 3\), .*\(4, 2\)"),
        ("def simulate(self, n, *, generator): return torch.zeros(n, 2)", "build", "expected a pair"),
        ("def simulate(self, n, *, generator): return torch.zeros(n, 1), 0", "build", r"shape \(2, 1\)"),
        ("def bound_terms(self, x, z): return x", "bound_terms", r"expected a cdae\.interfaces\.BoundTerms"),
        (
            "def bound_terms(self, x, z): return BoundTerms(x[:3, 0], x.new_zeros(0, 3), x[:3, 0])",
            "bound_terms",
            r"bound_terms returned shape \(3,\)",
        ),
        (
            "latent_dim = 2\n    def log_likelihood(self): ...\n    def sample_x(self, z, *, generator): return z",
            "build",
            "same x twice for the same z, expected draws",
        ),
    ],
)  # fmt: skip
def test_what_a_method_returns_is_checked(tmp_path, text, call, expected):
    kind, g = write(tmp_path, f"class Mine:\n    {text}\n"), seeded(0)
    calls = {
        "log_prob": lambda: built(kind).log_prob(DATA.values),
        "samples": lambda: list(built(kind).sample_sets(4, generator=g)),
        "build": lambda: built(kind),  # where `simulate` is tried
        "bound_terms": lambda: built(kind).bound_terms(DATA.values, DATA.values),
    }
    with pytest.raises(ValueError, match=expected) as caught:
        calls[call]()
    assert "\n" not in str(caught.value) and "mine.py:Mine" in str(caught.value)


def test_memory_that_does_not_suffice_stays_what_it_is(tmp_path):
    model = built(write(tmp_path, "class Mine:\n    def log_prob(self, x): raise torch.OutOfMemoryError('much')\n"))
    with pytest.raises(torch.OutOfMemoryError):
        model.log_prob(DATA.values)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (LAYER, {"sise": 1}, r"Mine\(\*\*options\) raised TypeError: .*'sise'.*the options are"),
        ("class Mine:\n    def fit_closed_form(self): ...\n", {}, r"is no torch\.nn\.Module, so nothing"),
        ("class Mine:\n    def log_likelihood(self): ...\n", {}, "latent_dim None, expected a whole number"),
        (DECODER.replace("= 1", "= 1.0"), {}, r"latent_dim 1\.0, expected a whole number"),
        ("class A:\n    def log_prob(self): ...\ndef Mine() -> A: return 3", {}, "made a int without 'log_prob'"),
    ],
)  # fmt: skip
def test_an_object_that_is_not_what_was_said_is_refused(tmp_path, text, options, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        built(write(tmp_path, text), options=options)
    assert "\n" not in str(caught.value)


def test_an_untrained_model_is_warned_of(tmp_path):
    kind = write(tmp_path, LAYER.replace("def loss", "def other"))
    with pytest.warns(InputWarning, match="has parameters, and neither weights nor training"):
        built(kind)


def test_a_decoder_that_cannot_draw_x_is_warned_of(tmp_path):
    kind = write(tmp_path, DECODER.replace("sample_x", "sample_y"))
    with pytest.warns(InputWarning, match=r"no gap can be had.*neither sample_x\(z, \*, generator\)"):
        model = built(kind)
    assert not isinstance(model, Simulates) and math.isfinite(model.log_likelihood(DATA.values, DATA.values[:, :1])[0])
