"""All tables of a run: those that are named, from cells that succeeded, failed, or were never certified."""

from dataclasses import replace

import pytest

from cdae.computing.arrays import write_npz
from cdae.computing.files import write_record
from tests.workflow.conftest import ROOT
from tests.workflow.test_evaluation import cell, run_with
from tests.workflow.test_record import CERTIFICATION, EVALUATION
from workflow.figures.drawers import DRAWERS
from workflow.figures.material import load
from workflow.grid import products
from workflow.grid.products import COMMITTED_FIGURES, FIGURES, TABLES
from workflow.grid.record import CertificateRow, CertificationRecord
from workflow.tables import tabulation
from workflow.tables.identity import read_csv

PUBLISHED = ROOT / "results/reference/published.csv"


def test_the_tables_that_are_named_are_those_that_are_made(config, digits, tmp_path):
    run_with({"status": "ok", "n_updates": [20]}, cell("cdae"), digits, tmp_path)
    made = tabulation.make(config, [tmp_path / "record.json"], [], [], PUBLISHED)
    assert set(made) == set(TABLES) and len(set(TABLES)) == len(TABLES)
    tabulation.write(tmp_path / "tables", made)
    assert {path.name for path in (tmp_path / "tables").iterdir()} == set(TABLES)
    summary = (tmp_path / "tables" / "summary.md").read_text()
    assert "| mine, k = 3 |" in summary and "## Protocol" in summary and "| mine-markov, k = 3 |" in summary
    assert "## Protocol" in (tmp_path / "tables" / "certificates.md").read_text()


def test_the_figures_that_are_named_are_those_that_can_be_drawn():
    assert set(FIGURES) == set(DRAWERS) and set(COMMITTED_FIGURES) <= set(FIGURES)
    assert all(function.__name__ == name for name, function in DRAWERS.items())


def test_figures_are_those_that_a_grid_has_something_to_show_for():
    every = {"has_snapshots": True, "has_certificates": True}
    none = {"has_snapshots": False, "has_certificates": False}
    assert products.figures({"cdae.model:CDAE", "baselines.dae:DAE"}, **every) == list(FIGURES)
    assert products.figures({"baselines.vae:VAE"}, **none) == ["samples", "parzen_bars"]
    assert products.figures({"baselines.vae:VAE"}, **none | {"has_certificates": True})[2:] == ["certified_by_levels"]
    assert products.figures({"baselines.vae:VAE"}, **none | {"has_snapshots": True})[2:] == ["snapshots"]
    assert products.figures({"baselines.dae:DAE"}, **none)[2:] == ["parzen_by_chain_steps"]


@pytest.fixture
def everything_failed(config, digits, tmp_path):
    """The tables of a run whose only model could not be trained."""
    run_with({"status": "failed", "reason": "training diverged"}, cell("cdae"), digits, tmp_path)
    failed = CertificateRow(estimator="all", status="failed", reason="training diverged")
    record = CertificationRecord(identity=CERTIFICATION.identity, dim=64, rows=[failed])
    write_record(tmp_path / "certificate.json", record.to_json())
    write_npz(tmp_path / "certificate.npz", {})
    write_record(tmp_path / "snapshots.json", [])
    paths = [tmp_path / "record.json"], [tmp_path / "snapshots.json"], [tmp_path / "certificate.json"]
    tabulation.write(tmp_path / "tables", tabulation.make(config, *paths, PUBLISHED))
    return tmp_path


def test_a_run_in_which_everything_failed_has_all_tables(everything_failed):
    tables = everything_failed / "tables"
    assert {path.name for path in tables.iterdir()} == set(TABLES)
    long = read_csv(tables / "log_likelihood.csv")
    assert set(long["reason"]) == {"training diverged"} and len(long) == 4
    assert "failed: training diverged" in (tables / "certificates.md").read_text()
    assert "| mine, k = 3 | failed | failed | failed |" in (tables / "summary.md").read_text()


def test_a_run_in_which_everything_failed_has_all_figures_without_values(everything_failed, digits):
    material = load("digits", everything_failed / "tables", digits, [everything_failed / "pictures.npz"])
    for name, draw in DRAWERS.items():
        assert "no values" in [text.get_text() for text in draw(material).texts], name


def test_rows_with_every_field_come_into_the_tables(config, tmp_path):
    """Real numbers in every column that a record knows."""
    write_record(tmp_path / "record.json", replace(EVALUATION, rows=EVALUATION.rows[:1]).to_json())
    write_npz(tmp_path / "record.npz", {})
    made = tabulation.make(config, [tmp_path / "record.json"], [], [], PUBLISHED)
    assert made["levels.csv"][["n_updates", "level", "mse_test"]].to_numpy().tolist() == [[20, 1, 0.3], [20, 2, 0.4]]
    assert made["bound_terms.csv"]["term"].tolist() == ["prior_kl"]
    assert made["diagnostics.csv"]["diagnostic"].tolist() == ["bandwidth", "converged"]
