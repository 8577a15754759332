"""The pipeline at its edges: damaged files, a lost memory of Snakemake, other folders, poor terminals, partial runs."""

import os
import resource
import shutil
import subprocess

import numpy as np
import pytest

from tests.workflow.test_pipeline import SNAKEMAKE, Project, keep_one_model

pytestmark = pytest.mark.pipeline
CONFIG = "config/edges.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which a VAE on the digits has been trained and evaluated."""
    project = Project.copy_of_the_sources(tmp_path_factory.mktemp("edges") / "project")
    assert project.write_config("edges", keep_one_model("vae")) == CONFIG
    environment = {**project.environment(), "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(
        project.command("--cores", "2", config=CONFIG),
        cwd=project.folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "tables: results/edges/tables" in result.stdout + result.stderr
    return project


def test_an_altered_intermediate_file_is_named_deleted_and_made_anew(project):
    """It is no failure of the model: nothing is recorded, and the next run ends in the same bytes."""
    results = project.folder / "results/edges"
    before, weights = project.tables("edges"), results / "models/digits/vae/0/weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    shutil.rmtree(results / "estimates")
    shutil.rmtree(results / "tables")
    result = project.run("--cores", "1", config=CONFIG)
    output = result.stdout + result.stderr
    assert result.returncode == 1 and "Traceback" not in output
    assert "weights.safetensors" in output and "run the same command again" in output
    assert not weights.exists() and not list(results.glob("estimates/**/*.json"))
    assert project.run("--cores", "1", config=CONFIG).returncode == 0
    assert project.tables("edges") == before


def test_a_lost_memory_of_snakemake_loses_no_change(project):
    """Copied results bring no `.snakemake`, and `--rerun-triggers mtime` looks at dates alone."""
    file, kept = project.folder / CONFIG, project.folder / "snakemake"
    before = file.read_text()
    (project.folder / ".snakemake").rename(kept)
    try:
        result = project.run("-n", "--rerun-triggers", "mtime", config=CONFIG)
        assert "Nothing to be done" in result.stdout + result.stderr
        file.write_text(before.replace("latent_dim: 2", "latent_dim: 3"))
        planned = project.run("-n", "--rerun-triggers", "mtime", config=CONFIG).stdout
        assert "train vae on digits" in planned and "evaluate vae on digits" in planned and "make the tables" in planned
        file.write_text(before.replace("seeds:\n- 0", "seeds:\n- 0\n- 1"))
        planned = project.run("-n", "--rerun-triggers", "mtime", config=CONFIG).stdout
        assert "train vae on digits, seed 1" in planned and "train vae on digits, seed 0" not in planned
    finally:
        file.write_text(before)
        shutil.rmtree(project.folder / ".snakemake")
        kept.rename(project.folder / ".snakemake")


def test_it_runs_from_any_folder(project, tmp_path):
    snakefile, config = project.folder / "Snakefile", project.folder / CONFIG
    for command, folder in [
        (["--snakefile", str(snakefile), "--configfile", str(config)], tmp_path),
        (["--directory", str(tmp_path), "--configfile", CONFIG], project.folder),
    ]:
        result = subprocess.run(
            [SNAKEMAKE, *command, "-n"], cwd=folder, env=project.environment(), capture_output=True, text=True
        )
        assert result.returncode == 0 and "train vae on digits" in result.stdout, result.stdout + result.stderr


def test_a_run_that_makes_no_table_prints_none(project):
    result = project.run("--cores", "1", "--until", "prepare_data", "--forcerun", "prepare_data", config=CONFIG)
    output = result.stdout + result.stderr
    assert result.returncode == 0 and "no tables were made by this run" in output and "| vae |" not in output


def test_jobs_are_chosen_when_one_has_ended_and_at_no_other_time(project):
    """Left alone, Snakemake chooses again every second, and more often with every job that has ended."""

    def change(config):
        keep_one_model("gaussian")(config)
        config["datasets"] = {name: {"loader": "digits"} for name in ("first", "second", "third")}

    config = project.write_config("three", change)
    result = project.run("--cores", "1", "--until", "prepare_data", "--verbose", config=config)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert output.count("Ready jobs: ") == 3


def test_a_users_file_dated_in_the_future_is_taken_and_another_of_an_older_date_is_noticed(project):
    file = project.folder / "mine.npz"

    def save(seed, date):
        images = np.random.default_rng(seed).integers(0, 256, (150, 4, 5), dtype=np.uint8)
        np.savez(file, images=images)
        os.utime(file, (date, date))

    def change(config):
        config["datasets"] = {"mine": {"loader": "npz", "path": "mine.npz"}}
        config["models"] = {"gaussian": config["models"]["gaussian"]}
        del config["certify"], config["quality"]

    save(0, 2_000_000_000)
    config = project.write_config("dated", change)
    result = project.run("--cores", "2", "--until", "prepare_data", config=config)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "prepare mine" not in project.run("-n", config=config).stdout
    save(1, 1_000_000_000)
    assert "prepare mine" in project.run("-n", config=config).stdout


def test_a_model_that_does_not_fit_memory_is_a_row_and_the_other_models_have_their_tables(project):
    def change(config):
        vae = {**config["models"]["vae"], "hidden_sizes": [50_000, 50_000]}
        keep_one_model("gaussian")(config)
        config["models"]["big"] = vae

    config = project.write_config("memory", change)
    limit = 6_000_000_000  # bytes of address space: importing torch takes less, 50,000 x 50,000 weights do not
    result = project.run(
        "--cores", "1", config=config, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    )
    output = result.stdout + result.stderr
    assert result.returncode == 1 and "Traceback" not in output
    assert "lower_bound: not run: it needs more memory than there is" in output
    summary = (project.folder / "results/memory/tables/summary.md").read_text()
    assert any(line.startswith("| big |") and "| not run |" in line for line in summary.splitlines())
    assert (project.folder / "results/memory/figures/digits/samples.png").is_file()
    planned = project.planned(config=config)
    assert planned == ["evaluate big on digits, seed 0", "train big on digits, seed 0"]
