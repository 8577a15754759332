"""Prepared data sets, which jobs read, and the smoke configuration."""

from pathlib import Path

import pytest
import yaml

from cdae.data import prepare
from cdae.datasets.registry import loader

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Path:
    return prepared("digits", tmp_path_factory)


@pytest.fixture(scope="session")
def mixture_2d(tmp_path_factory) -> Path:
    """Its exact log density is known."""
    return prepared("mixture_2d", tmp_path_factory)


def prepared(name: str, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / f"{name}.npz"
    prepare(loader(name)(), name, path)
    return path


@pytest.fixture
def config(tmp_path) -> dict:
    """The smoke configuration, with a results folder that can be made."""
    loaded = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
    return {**loaded, "results_dir": str(tmp_path / "results")}


@pytest.fixture(autouse=True)
def jobs_run_as_for_users(without_checks_of_shapes):
    """Without checks of shapes, which the tests of the library have."""
