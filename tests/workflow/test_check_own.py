"""What a user brings by an import path is checked before anything runs, and not run."""

import numpy as np
import pytest

from tests.workflow.test_check import change
from workflow.grid.check import checked

TRAINING = {"n_updates": 20, "batch_size": 64, "learning_rate": 0.002, "matmul_precision": "highest"}
SOURCE = """
raise RuntimeError("a check runs no code of the user's")
from nowhere import Strange
from torch import nn
class Exact:
    options_schema = {"type": "object", "additionalProperties": False,
                      "properties": {"dim": {"type": "integer", "minimum": 1}}}
    def log_prob(self, x): ...
class Trainable:
    def loss(self, x): ...
    def refit(self, x): ...
    def sample(self, n): ...
class Decoder:
    def log_likelihood(self, x, z): ...
class Useless:
    def forward(self, x): ...
class Empty: ...
class Module(nn.Module): ...
class Hidden(Strange): ...
class BadSchema(Exact):
    options_schema = {"type": "wrong"}
class Computed(Exact):
    options_schema = dict(type="object")
def make(): ...
def exact() -> Exact: ...
again = Exact
"""


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "w.pt").touch()
    (tmp_path / "w.npz").touch()
    return tmp_path


def with_model(config, name, **options):
    return change(config, "models.mine", {"kind": f"~/mine.py:{name}", **options})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Exact", {}),
        ("Exact", {"options": {"dim": 3}}),
        ("Exact", {"weights": "~/w.pt"}),
        ("Trainable", {"training": TRAINING}),
        ("Trainable", {"weights": "~/w.pt", "seeds": [4]}),
    ],
)
def test_what_is_right_passes_with_the_home_written_out(config, source, name, options):
    found = checked(with_model(config, name, **options))["models"]["mine"]
    assert found["kind"] == f"{source}/mine.py:{name}" and "~" not in str(found)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("Exact", {"optoins": {}}, ["models.mine", "'optoins'", "did you mean 'options'"]),
        ("Exact", {"options": {"dim": 0}}, ["models.mine.options.dim", "got 0, expected at least 1"]),
        ("Exact", {"options": {"dmi": 0}}, ["models.mine.options", "'dmi'", "did you mean 'dim'"]),
        ("BadSchema", {}, ["models.mine.options", "options_schema of", "is no JSON schema"]),
        ("Computed", {}, ["models.mine.options", "options_schema is computed, expected a literal"]),
        ("Exact", {"training": TRAINING}, ["models.mine.training", "without loss and refit"]),
        ("Exact", {"weights": "~/none.pt"}, ["models.mine.weights", "none.pt'", "an existing file that ends in"]),
        ("Exact", {"weights": "~/w.npz"}, ["models.mine.weights", "w.npz'", "an existing file that ends in"]),
        ("Trainable", {}, ["models.mine: got neither training nor weights", "add training"]),
        ("Trainable", {"training": TRAINING, "weights": "~/w.pt"}, ["models.mine.training", "beside weights"]),
        (
            "Trainable",
            {"training": {**TRAINING, "snapshots": [30]}},
            ["models.mine.training.snapshots", "less than n_updates"],
        ),
        ("Useless", {}, ["models.mine.kind", "the methods forward, expected log_prob", "add one"]),
        ("Empty", {}, ["models.mine.kind", "no methods"]),
        ("Module", {}, ["models.mine.kind", "has no methods, expected log_prob"]),
        ("Hidden", {}, ["models.mine.kind", "nowhere.Strange was not found"]),
        ("Exakt", {}, ["models.mine.kind", "expected a class or a function of", "Exact"]),
        ("make", {}, ["models.mine.kind", "a function with no return annotation", "write def make(...) -> MyModel"]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(config, source, name, options, expected):
    with pytest.raises(ValueError) as caught:
        checked(with_model(config, name, **options))
    assert "\n" not in str(caught.value)
    for part in expected:
        assert part in str(caught.value)


def test_a_decoder_alone_is_refused_where_no_certificate_could_say_what_it_lacks(config, source):
    found = checked(with_model(config, "Decoder"))  # this one asks for certificates
    assert found["models"]["mine"]["kind"].endswith("mine.py:Decoder")
    expected = r"models.mine.kind: .* the methods log_likelihood, expected .* log_likelihood with sample_x"
    with pytest.raises(ValueError, match=expected):
        checked(change(with_model(config, "Decoder"), "certify", None))


def test_certificates_may_be_asked_for_where_the_only_model_lacks_one_method(config, source):
    only = change(config, "models", {"mine": {"kind": "~/mine.py:Decoder"}})
    only["certify"].pop("overrides", None)
    del only["quality"]
    assert checked(only)["certify"]["seeds"] == config["certify"]["seeds"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("no.such.module:A", "models.mine.kind: got 'no.such.module:A', expected a module"),
        ("none.py:A", "models.mine.kind: got 'none.py:A', expected the path of an existing file"),
        ("a-b:C", "models.mine.kind: got 'a-b:C', expected"),
    ],
)
def test_a_place_that_is_not_there_is_refused(config, kind, expected):
    with pytest.raises(ValueError, match=expected):
        checked(change(config, "models.mine", {"kind": kind}))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"loader": "none.py:A"}, "datasets.digits.loader: got 'none.py:A', expected the path of an existing file"),
        ({"loader": "~/mine.py:mak"}, r"datasets.digits.loader: got .*mak', expected a class .*: BadSchema, .*, make"),
        (
            {"loader": "~/mine.py:make", "path": "x"},
            r"datasets.digits.path: .* expected it for npz or images; remove it",
        ),
        ({"loader": "~/mine.py:Exact", "options": {"dim": 0}}, r"datasets.digits.options.dim: got 0, .* at least 1"),
        ({"loader": "~/mine.py:exact", "options": {"dmi": 1}}, r"datasets.digits.options: .*'dmi'.*did you mean 'dim'"),
        ({"loader": "~/mine.py:Computed"}, "datasets.digits.options: .* options_schema is computed"),
        ({"loader": "digits", "options": {}}, r"datasets.digits.options: .* for an import path; remove it"),
        ({"loader": "images", "path": "none"}, "datasets.digits.path: got 'none', expected an existing folder"),
        ({"loader": "images"}, "datasets.digits.path: got '', expected an existing folder"),
        ({"loader": "images", "path": ".", "allow_discrete": True}, "allow_discrete: .*npz or an import path"),
    ],
)
def test_data_that_do_not_fit_are_refused(config, source, options, expected):
    with pytest.raises(ValueError, match=expected):
        checked(change(config, "datasets.digits", options))


def test_data_of_ones_own_pass(config, source):
    config = change(config, "quality", None)
    for options in (
        {"loader": "~/mine.py:make", "options": {"a": [1]}, "n_intensity_levels": 4, "allow_discrete": True},
        {"loader": "~/mine.py:Exact", "options": {"dim": 3}},
        {"loader": "~/mine.py:again", "options": {"dim": "what is assigned is not followed"}},
        {"loader": "images", "path": "~", "n_intensity_levels": 4},
    ):
        found = checked(change(config, "datasets.digits", options))["datasets"]["digits"]
        assert "~" not in str(found)
    np.savez(source / "mine.npz", images=np.zeros(3))
    checked(change(config, "datasets.digits", {"loader": "npz", "path": "~/mine.npz", "n_intensity_levels": 4}))
