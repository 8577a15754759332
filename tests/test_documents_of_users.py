"""The pages for users' own models, data and estimators: every block of code in them is run, as it stands.

What a fence says after the language is what the block is: the name of the file to write, `program` for a program that
is run, and for a shell nothing.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
import torch

from baselines.registry import model_class
from cdae.computing.files import read_record
from cdae.data import TrainingSet
from cdae.gaussian import log_normal
from tests.helpers import seeded
from tests.test_project import ROOT
from workflow.jobs.description import describe

PAGES = sorted((ROOT / "docs").glob("your-own-*.md"))
BLOCK = re.compile(r"^```(\w*) ?(.*)\n((?:.*\n)*?)^```$", flags=re.MULTILINE)
NEEDED = ("Snakefile", "baselines", "cdae", "config", "environment.yml", "examples", "profiles", "workflow")


def blocks(page):
    """(language, what it is, text) of every fenced block of a page."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(found), page
    return found


@pytest.fixture
def clone(tmp_path):
    """What a clone of the repository holds that commands need."""
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "results/reference", tmp_path / "results/reference")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def follow(page, folder):
    """Do what a page says, block by block; the outputs of what was run."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    outputs = []
    for language, what, text in blocks(page):
        if language in ("python", "yaml") and what.endswith((".py", ".yaml")):
            (folder / what).write_text(text)
            continue
        command = {"python program": [sys.executable, "-c", text], "sh ": ["bash", "-ec", text]}[f"{language} {what}"]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
        assert result.returncode == 0, result.stdout[-3_000:] + result.stderr[-3_000:]
        outputs.append(result.stdout)
    return outputs


def rows_of(page):
    """Rows of the tables of a text, as lists of cells without the marks of strong text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in lines]


def numbers(row):
    return [float(number) for cell in row for number in re.findall(r"-?\d+\.\d+", cell)]


def test_there_is_a_page_of_each():
    assert [page.stem for page in PAGES] == ["your-own-data", "your-own-estimator", "your-own-model"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_of_a_sort_that_is_run(page):
    kinds = {(language, "FILE" if "." in what else what) for language, what, _ in blocks(page)}
    assert kinds <= {("python", "FILE"), ("python", "program"), ("yaml", "FILE"), ("sh", "")} and len(kinds) >= 3


@pytest.mark.pipeline
def test_five_minutes_end_in_the_table_of_the_page(clone):
    page = ROOT / "docs/your-own-model.md"
    outputs = follow(page, clone)
    assert "annealed, of a decoder               certificate  runs" in outputs[0]
    assert "2 cells on 1 data sets" in outputs[1]
    said = rows_of(page)
    summary = rows_of(clone / "results/mine/tables/summary.md")
    header, *made = rows_of(clone / "results/mine/tables/certificates.md")
    columns = next(row for row in said if row[:2] == ["Model", "Estimator"])
    for row in made[1:]:
        (shown,) = [other for other in said if other[:2] == row[:2]]
        found = [row[header.index(column)] for column in columns]
        assert numbers(shown) == pytest.approx(numbers(found), abs=1.0)
        assert shown[-1].split(":")[0] == found[-1].split(":")[0]
    assert len(made) == 3 and summary[0] in said
    for row in summary[2:]:
        assert any(numbers(shown) == pytest.approx(numbers(row), abs=1.0) for shown in said if shown[0] == row[0])
    certificates = read_record(clone / "results/mine/certificates/digits/mine/0.json")["rows"]
    annealed = next(row for row in certificates if row["estimator"] == "annealed")
    exact = numbers(next(row for row in summary if row[0] == "ppca"))[0]
    assert abs(annealed["mean_nats"] - exact) < 4.0 * annealed["standard_error_nats"]


@pytest.mark.pipeline
def test_the_page_on_data_is_followed(clone):
    follow(ROOT / "docs/your-own-data.md", clone)
    text = (clone / "results/my_data/tables/summary.md").read_text()
    assert all(f"## {name} " in text for name in ("file", "folder", "code")) and text.count("| theirs |") == 3


@pytest.mark.pipeline
def test_the_page_on_estimators_is_followed(clone):
    follow(ROOT / "docs/your-own-estimator.md", clone)
    header, _, *rows = rows_of(clone / "results/my_estimator/tables/summary.md")
    column = header.index("Moments")
    found = {row[0]: float(row[column].split()[0]) for row in rows}
    exact = float(next(row for row in rows if row[0] == "gaussian")[header.index("Exact")].split()[0])
    assert set(found) == {"gaussian", "training"} and abs(found["gaussian"] - exact) < 1.0


def test_the_class_of_the_page_gets_what_the_page_says_and_is_the_model_that_it_says(tmp_path):
    text = next(text for _, what, text in blocks(ROOT / "docs/your-own-model.md") if what == "mine.py")
    (tmp_path / "mine.py").write_text(text)
    kind = f"{tmp_path}/mine.py:MyPCA"
    said = [line.split() for line in describe(kind).splitlines()]
    runs = {line[0].strip(",") for line in said if line[-1:] == ["runs"]}
    assert runs == {"parzen", "annealed", "importance_weighted"}
    x = TrainingSet(seeded_examples())
    model = model_class(kind).build({"kind": kind, "options": {"dim": 4, "latent_dim": 2}}, x, generator=seeded(0))
    model.fit_closed_form(x, generator=seeded(0))
    fitted = model.model
    covariance = fitted.weights.T @ fitted.weights + fitted.std.square() * fitted.mean.new_ones(4).diag()
    assert (covariance - x.values.T.cov()).abs().max() < 0.2
    examples, z = model.simulate(6, generator=seeded(1))
    expected = log_normal(examples, fitted.mean + z @ fitted.weights, fitted.std)
    assert (model.log_likelihood(examples, z) - expected).abs().max() < 1e-4


def seeded_examples():
    low = torch.randn(2_000, 2, generator=seeded(2)) @ torch.randn(2, 4, generator=seeded(3))
    return low + 0.3 * torch.randn(2_000, 4, generator=seeded(4)) + 1.0


def test_the_program_of_the_page_runs_from_python():
    (program,) = [text for _, what, text in blocks(ROOT / "docs/your-own-model.md") if what == "program"]
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("estimator") and lines[2].startswith("annealed, prior")
    name, bound, gap, shape = lines[5].split(maxsplit=3)
    assert name == "annealed" and -30.0 < float(bound) < -8.0 and abs(float(gap)) < 0.5 and shape == "torch.Size([50])"
    assert lines[-2].startswith("parzen, ") and lines[-1] == "torch.Size([100])"
