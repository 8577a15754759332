"""All tables of a run: those that are named, from cells that succeeded, failed, or were never certified."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest

from cdae.computing.arrays import write_npz
from cdae.computing.files import write_record
from tests.workflow.conftest import ROOT
from tests.workflow.test_evaluation import cell, run_with
from tests.workflow.test_record import CERTIFICATION, EVALUATION
from workflow.figures.drawers import DRAWERS
from workflow.figures.material import load
from workflow.grid import products
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.products import COMMITTED_FIGURES, FIGURES, PAGES, TABLES
from workflow.tables import findings, tabulation
from workflow.tables.identity import read_csv

PUBLISHED = ROOT / "results/reference/published.csv"


def test_the_tables_that_are_named_are_those_that_are_made(config, digits, tmp_path):
    run_with({"status": "ok", "n_updates": [20]}, cell("cdae"), digits, tmp_path)
    made = tabulation.make(config, [], [tmp_path / "record.json"], [], [], PUBLISHED)
    assert set(made) == set(TABLES) and len(set(TABLES)) == len(TABLES)
    tabulation.write(tmp_path / "tables", made)
    assert {path.name for path in (tmp_path / "tables").iterdir()} == set(TABLES)
    summary = (tmp_path / "tables" / "summary.md").read_text()
    assert "| mine, k = 3 |" in summary and "## Protocol" in summary and "| mine-markov, k = 3 |" in summary
    assert "## Protocol" in (tmp_path / "tables" / "certificates.md").read_text()
    written = {name: read_csv(tmp_path / "tables" / name) for name, made in made.items() if not isinstance(made, str)}
    assert findings.page(written) == (tmp_path / "tables" / "findings.md").read_text(), "made of the tables on disk"


def test_the_figures_that_are_named_are_those_that_can_be_drawn():
    assert set(FIGURES) == set(DRAWERS) and set(COMMITTED_FIGURES) <= set(FIGURES)
    assert all(function.__name__ == name for name, function in DRAWERS.items())


def test_figures_are_those_that_a_grid_has_something_to_show_for(config):
    assert products.figures_of(config, "digits") == list(FIGURES)

    def shown(*models, with_stage=None):
        left_out = {"certify", "quality"} - {with_stage}
        grid = {**config, "models": {name: config["models"][name] for name in models}}
        return products.figures_of({key: value for key, value in grid.items() if key not in left_out}, "digits")

    assert shown("vae") == shown("gaussian") == ["likelihoods", "samples", "parzen"]
    assert shown("vae", with_stage="certify") == ["likelihoods", "certified_by_levels", "ranking", "samples", "parzen"]
    assert shown("gaussian", with_stage="certify") == shown("gaussian") == shown("gaussian", with_stage="quality")
    of_chains = ["likelihoods", "samples", "parzen", "parzen_by_chain_steps"]
    assert shown("dae-walkback") == of_chains
    judged = ["denoising", "samples", "sample_quality", "parzen", "parzen_by_chain_steps", "mixing", "representation"]
    assert shown("dae-walkback", with_stage="quality") == ["likelihoods", *judged]
    for part in ("mixing", "representation", "denoising"):
        del config["quality"][part]
    assert shown("dae-walkback", with_stage="quality") == ["likelihoods", *judged[1:5]]
    config["models"]["vae"]["training"] = {**config["models"]["vae"]["training"], "snapshots": [5]}
    assert shown("vae") == ["likelihoods", "snapshots", "samples", "parzen"]


def test_a_data_set_whose_samples_are_not_judged_has_no_figures_of_them(config):
    judged = ["denoising", "sample_quality", "mixing", "representation"]
    assert products.figures_of_judged(config) == judged
    assert products.figures(config) == products.figures_of(config, "mixture_2d")
    assert set(products.figures(config)) == set(FIGURES) - set(judged)


def test_pages_of_the_report_are_of_the_tables_and_are_numbered_in_reading_order():
    assert {name.partition(".")[0] for name in TABLES} == {*PAGES} - {"start"} and len(set(PAGES)) == len(PAGES)
    places = [products.place(name, PAGES) for name in PAGES]
    assert places[:3] == ["01 start", "02 findings", "03 summary"] and places == sorted(places)


def test_every_figure_and_every_page_of_the_report_has_its_caption():
    captions = {path.stem for path in (ROOT / "workflow/report").glob("*.rst")}
    assert captions == {*FIGURES, *map(products.caption, PAGES), "file", "start"}


def test_notes_are_repeated_once_with_what_they_are_about(tmp_path):
    for name, notes in (("mine", ["odd"]), ("digits", [])):
        write_record(tmp_path / f"{name}.json", {"notes": notes})
    ends = [replace(EVALUATION, notes=["far"]), replace(EVALUATION, notes=["far"])]
    identity = EVALUATION.identity
    assert tabulation.notes([tmp_path / "mine.json", tmp_path / "digits.json"], ends) == [
        "`mine`: odd", f"`{identity.model}` on `{identity.dataset}`: far",
    ]  # fmt: skip


@pytest.fixture
def everything_failed(config, digits, tmp_path):
    """The tables of a run whose only model could not be trained."""
    run_with({"status": "failed", "reason": "training diverged"}, cell("cdae"), digits, tmp_path)
    failed = CertificateRow(estimator="all", status="failed", reason="training diverged")
    record = CertificationRecord(identity=CERTIFICATION.identity, dim=64, rows=[failed])
    write_record(tmp_path / "certificate.json", record.to_json())
    write_npz(tmp_path / "certificate.npz", {})
    write_record(tmp_path / "snapshots.json", {"snapshots": []})
    paths = [tmp_path / "record.json"], [tmp_path / "snapshots.json"], [tmp_path / "certificate.json"]
    tabulation.write(tmp_path / "tables", tabulation.make(config, [], *paths, PUBLISHED))
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
        plt.close("all")


def test_rows_with_every_field_come_into_the_tables(config, tmp_path):
    """Real numbers in every column that a record knows."""
    write_record(tmp_path / "record.json", replace(EVALUATION, rows=EVALUATION.rows[:1]).to_json())
    write_npz(tmp_path / "record.npz", {})
    made = tabulation.make(config, [], [tmp_path / "record.json"], [], [], PUBLISHED)
    assert made["levels.csv"][["n_updates", "level", "mse_test"]].to_numpy().tolist() == [[20, 1, 0.3], [20, 2, 0.4]]
    assert made["bound_terms.csv"]["term"].tolist() == ["prior_kl"]
    assert made["diagnostics.csv"]["diagnostic"].tolist() == ["bandwidth", "converged"]
