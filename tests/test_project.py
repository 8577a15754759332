"""Pins are equal in all places, and the documents name what exists."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def pyproject_pins(*groups):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    return sorted(project["dependencies"] + [pin for group in ("dev", *groups) for pin in optional[group]])


def test_pins_are_exact_and_without_local_suffix():
    for pin in pyproject_pins("examples"):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin), pin


def test_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert "python=3.11" in environment
    assert sorted(next(part for part in environment if isinstance(part, dict))["pip"]) == pyproject_pins()


def test_constraints_have_the_same_pins():
    lines = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").split()
    assert set(pyproject_pins("examples")) <= set(lines)
    assert not any("+" in line for line in lines)


DOCUMENTS = [ROOT / "README.md", ROOT / "config/README.md", *sorted((ROOT / "docs").glob("*.md"))]
PATHS = r"`((?:cdae|baselines|workflow|config|tests|docs|results/reference)/[\w./-]*)`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_name_files_that_exist_and_link_to_them(document):
    text = document.read_text()
    examples = {"cdae/datasets/mine.py", "cdae/estimators/moments.py", "baselines/laplace.py"}  # files to be written
    for path in set(re.findall(PATHS, text)) - examples:
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / link).exists(), link


def test_the_readmes_example_runs(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    result = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", result.stdout)]
    assert len(numbers) == 3 and all(-30.0 < number < 0.0 for number in numbers)


def test_the_readme_and_make_help_name_the_same_targets():
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = {line.split()[0] for line in said.splitlines()}
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()))
    named |= set(re.findall(r"^    make ([a-z-]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert named | {"benchmark", "setup", "lint", "help"} == targets | {"help"}


def test_the_paper_is_named():
    title = "Cascading Denoising Auto-Encoders as a Deep Directed Generative Model"
    assert title in (ROOT / "README.md").read_text() and title in (ROOT / "CITATION.cff").read_text()


def test_files_for_services_are_read_as_they_are_meant():
    """Of continuous integration, whose versions of actions are major ones, and of Snakemake's catalogue."""
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step] == ["make lint", "make test", "make check"]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert {*usage} == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["report"] is True and {*usage["mandatory-flags"]} == {"desc", "flags"}


def test_the_image_is_built_of_what_is_there_and_sent():
    """What the Dockerfile copies exists, and the build sees it."""
    sent = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")]
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert sorted(name for names in copied for name in names.split()) == sorted(sent)
    assert all((ROOT / name).exists() for name in sent)
