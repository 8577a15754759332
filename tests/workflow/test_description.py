"""What is said of a model before anything runs is what runs."""

import subprocess
import sys

import pytest

from baselines.registry import MODELS, model_class
from cdae.certificates.trials import Trials
from cdae.certificates.work import Work
from cdae.data import load_evaluation_set
from cdae.estimators.catalogue import estimators_for
from tests.helpers import CDAE_OPTIONS, seeded
from tests.workflow.conftest import ROOT
from workflow.grid.cells import Cell, certification_config
from workflow.jobs.cell import CellJob
from workflow.jobs.description import CERTIFIED, EVALUATED, RUNS, describe, rows_of
from workflow.jobs.description import _model as model_of

OPTIONS = {"cdae": CDAE_OPTIONS, "diffusion": CDAE_OPTIONS, "vae": {"latent_dim": 2, "hidden_sizes": [4]}}


def running(kind, stage):
    rows = rows_of(model_of(kind), is_own=":" in kind)
    return [name for name, where, verdict in rows if where == stage and verdict == RUNS]


@pytest.mark.parametrize("kind", MODELS)
def test_the_estimators_that_are_said_to_run_are_those_that_run(kind):
    assert running(kind, EVALUATED) == estimators_for(model_class(kind)) != []


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_certificates_that_are_said_to_run_are_those_that_run(kind, config, mixture_2d):
    data = load_evaluation_set(mixture_2d)
    cell = CellJob(certification_config(config, Cell("mixture_2d", kind, "vae", kind, None, 0)))
    model = model_class(kind).build(OPTIONS[kind], data.training, generator=seeded(0)).requires_grad_(False)
    work = Work(settings=cell.config["certify"], generator=cell.generator)
    found = {trial.name for trial in Trials(work, data.training).of(model)}
    assert {name.split(",")[0] for name in running(kind, CERTIFIED)} == found != set()


def source(tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    return f"{tmp_path}/mine.py:Mine"


def test_of_a_users_model_the_methods_to_write_are_named(tmp_path):
    said = describe(source(tmp_path, "from a import B\nclass Mine(B):\n    def log_likelihood(self, x, z): ...\n"))
    lines = {tuple(line.split()[:2]): line for line in said.splitlines() if "of a chain" not in line}
    assert lines["exact", "evaluation"].endswith("missing: log_prob")
    assert lines["parzen", "evaluation"].endswith("missing: sample or sample_sets")
    assert lines["importance_weighted,", "from"].endswith("missing: sample_x or simulate")
    assert lines["annealed,", "of"].endswith("missing: sample_x or simulate")
    assert lines["all_pairs", "certificate"].endswith("for cascades of this suite alone")
    assert "training: none" in said and "latent_dim" in said and "its base a.B was not found" in said


def test_a_decoder_alone_is_certified_from_the_prior():
    found = running("examples/gaussian_vae.py:GaussianDecoder", CERTIFIED)
    assert found == ["importance_weighted, from the prior", "annealed, of a decoder"]


@pytest.mark.parametrize(
    ("methods", "expected"),
    [("loss refit", "by gradients"), ("fit_closed_form", "one call of fit_closed_form"), ("loss", "training: none")],
)
def test_how_a_model_is_trained_is_said(tmp_path, methods, expected):
    body = "".join(f"    def {name}(self): ...\n" for name in methods.split())
    (tmp_path / f"{methods.replace(' ', '_')}.py").write_text(f"class Mine:\n{body}")
    said = describe(f"{tmp_path}/{methods.replace(' ', '_')}.py:Mine")
    assert expected in said and "latent_dim" not in said


@pytest.mark.parametrize(("kind", "expected"), [("vea", "got 'vea', expected a kind"), ("none.py:A", "existing file")])
def test_the_door_says_in_one_line_what_it_does_not_know(kind, expected):
    command = [sys.executable, "-m", "workflow.scripts.describe", kind]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1 and expected in result.stderr and result.stderr.count("\n") == 1


def test_the_door_prints_the_table():
    command = [sys.executable, "-m", "workflow.scripts.describe", "examples/gaussian_vae.py:GaussianDecoder"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout == describe(command[-1]) + "\n"
