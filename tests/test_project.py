"""Pins are equal in all places, and the documents name what exists."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def pyproject_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sorted(project["dependencies"] + project["optional-dependencies"]["dev"])


def test_pins_are_exact_and_without_local_suffix():
    for pin in pyproject_pins():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin), pin


def test_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert "python=3.11" in environment
    assert sorted(next(part for part in environment if isinstance(part, dict))["pip"]) == pyproject_pins()


def test_constraints_have_the_same_pins():
    lines = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").split()
    assert set(pyproject_pins()) <= set(lines)
    assert not any("+" in line for line in lines)


def test_readme_is_short_and_names_files_that_exist():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 150
    for path in re.findall(r"`((?:cdae|baselines|workflow|config|tests|results/reference)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
