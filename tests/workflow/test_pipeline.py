"""The pipeline as its users meet it: a copy of the project in which the smoke grid runs, fails, resumes and repeats."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCES = ["Snakefile", "environment.yml", "workflow", "cdae", "baselines", "config", "profiles", "results/reference"]
SNAKEMAKE = str(Path(sys.executable).parent / "snakemake")


class Project:
    """A copy of the project, with snakemake to run in it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, self.folder / name)

    def command(self, *arguments, config="config/smoke.yaml"):
        return [SNAKEMAKE, "--configfile", config, *arguments]

    def environment(self):
        """The copy's sources come before an installed project; the environment is not activated."""
        return {**os.environ, "PYTHONPATH": str(self.folder)}

    def run(self, *arguments, config="config/smoke.yaml", **options):
        command = self.command(*(arguments or ("--cores", "2")), config=config)
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=400, **options
        )

    def planned(self, config="config/smoke.yaml"):
        """What a run would do now: the messages of its train and evaluate jobs, sorted."""
        lines = self.run("-n", config=config).stdout.splitlines()
        messages = [line.split(": ", 1)[-1].strip() for line in lines]
        return sorted({m for m in messages if m.startswith(("train ", "evaluate ", "certify ")) and " on " in m})

    def write_config(self, name, change):
        """A configuration of its own: the smoke grid, changed, with its own results_dir."""
        config = yaml.safe_load((self.folder / "config/smoke.yaml").read_text())
        config["results_dir"] = f"results/{name}"
        change(config)
        (self.folder / f"config/{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        return f"config/{name}.yaml"

    def tables(self, results="smoke"):
        files = sorted((self.folder / "results" / results / "tables").iterdir())
        return {file.name: file.read_bytes() for file in files}

    def figures(self, results="smoke"):
        files = sorted((self.folder / "results" / results / "figures").rglob("*.svg"))
        return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the project in which the smoke grid has run on two cores."""
    project = Project(tmp_path_factory.mktemp("finished") / "project")
    result = project.run("--cores", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    project.output = result.stdout + result.stderr
    return project


def keep_one_model(name, **options):
    """A change to a configuration: the digits and one model alone."""

    def change(config):
        config["datasets"] = {"digits": config["datasets"]["digits"]}
        config["models"] = {name: {**config["models"][name], **options}}
        config["certify"].pop("overrides")

    return change


def test_outputs_exist_and_the_run_ends_with_the_table_and_where_things_lie(finished):
    results = finished.folder / "results/smoke"
    table = pd.read_csv(results / "tables/log_likelihood.csv")
    assert (table["status"] == "ok").all() and table["mean_nats"].notna().all()
    assert set(table["estimator"]) == {"exact", "lower_bound", "markov_bound", "importance_weighted", "parzen"}
    assert (table["standard_error_nats"] > 0).all()
    for dataset in ("digits", "mixture_2d"):
        names = {file.name for file in (results / "figures" / dataset).iterdir()}
        expected = ("samples", "parzen_bars", "likelihood_by_levels", "chain_from_prior", "by_updates")
        expected += ("certified_by_levels",)
        assert {f"{name}.png" for name in expected} <= names
    assert "| cdae, k = 3 |" in finished.output
    assert "tables: results/smoke/tables" in finished.output
    assert "train vae on digits, seed 0" in finished.output and "(100%) done" in finished.output


def test_exact_values_stand_beside_estimates_where_they_are_known(finished):
    table = pd.read_csv(finished.folder / "results/smoke/tables/log_likelihood.csv")
    known = table[table["dataset"] == "mixture_2d"]
    assert known["exact_nats"].notna().all() and known["bits_per_dim"].isna().all()
    assert np.allclose(known["excess_nats"], known["mean_nats"] - known["exact_nats"])
    unknown = table[table["dataset"] == "digits"]
    assert unknown["exact_nats"].isna().all()
    assert (unknown["bits_per_dim"].isna() == (unknown["estimator"] == "parzen")).all()
    assert (table["model_exact_nats"].notna() == (table["estimator"] == "exact")).all()


def test_the_bounds_are_known_on_the_way_through_training(finished):
    """At the snapshot and at the end, where they are the finished model's; its random numbers are those of the end."""
    tables = finished.folder / "results/smoke/tables"
    curve = pd.read_csv(tables / "training_curve.csv")
    assert sorted(curve["n_updates"].unique()) == [10, 20] and (curve["status"] == "ok").all()
    long = pd.read_csv(tables / "log_likelihood.csv")
    keys = ["dataset", "model", "n_levels", "seed", "estimator"]
    ends = curve[curve["n_updates"] == 20].merge(long, on=keys, suffixes=("", "_long"))
    assert len(ends) == 8 and (ends["mean_nats"] == ends["mean_nats_long"]).all()
    levels = pd.read_csv(tables / "levels.csv")
    assert len(levels) == 2 * 2 * (1 + 3) and sorted(levels["n_updates"].unique()) == [10, 20]
    assert (levels[["mse_train", "mse_test"]] > 0).all(axis=None)


def test_certificates_stand_beside_the_bound(finished):
    tables = finished.folder / "results/smoke/tables"
    table = pd.read_csv(tables / "certificates.csv")
    assert (table["status"] == "ok").all() and len(table) == 2 * (2 * 7 + 2)
    assert (table.loc[table["estimator"] != "importance_weighted", "n_points"].isin([10, 12])).all()
    assert (table.loc[table["model"] == "cdae", "gap_nats"].groupby(table["n_levels"]).size() == 14).all()
    known = table[table["dataset"] == "mixture_2d"]
    assert np.allclose(known["excess_nats"], known["mean_nats"] - known["exact_nats"])
    assert set(table["claim"]) <= {"certified", "stochastic lower bound", "bound, not converged"}
    assert "| cdae, k = 3 | sequential, guided |" in (tables / "certificates.md").read_text()
    assert "Tightest (gap)" in finished.output


def test_every_model_with_a_bound_or_a_density_has_its_gap_between_training_and_test(finished):
    tables = finished.folder / "results/smoke/tables"
    gaps, long = pd.read_csv(tables / "train_test_gap.csv"), pd.read_csv(tables / "log_likelihood.csv")
    assert set(gaps["model"]) == {"cdae", "cdae-markov", "vae", "gaussian"} and len(gaps) == 2 * (2 * 2 + 2)
    assert (gaps["n_train_points"] == 1000).all() and (gaps["gap_standard_error_nats"] > 0).all()
    both = gaps.merge(long, on=["dataset", "model", "n_levels", "seed", "estimator"])
    assert len(both) == len(gaps) and (both["test_nats"] == both["mean_nats"]).all()
    assert "| Train - test |" in finished.output and "| cdae-markov, k = 3 |" in finished.output


def test_the_time_is_told_before_a_run(finished):
    assert "30 jobs of training and evaluation to run; no committed run tells how long" in finished.output


def test_a_finished_grid_runs_nothing_and_changes_nothing(finished):
    before = finished.tables()
    result = finished.run("--cores", "2")
    assert result.returncode == 0 and "Nothing to be done" in result.stdout + result.stderr
    assert finished.tables() == before


def test_one_core_gives_the_same_bytes(finished, tmp_path):
    other = Project(tmp_path / "project")
    assert other.run("--cores", "1").returncode == 0
    assert other.tables() == finished.tables()
    assert other.figures() == finished.figures()


def test_editing_one_hyperparameter_plans_its_cells_alone(finished):
    file = finished.folder / "config/smoke.yaml"
    before = file.read_text()
    try:
        file.write_text(before.replace("latent_dim: 2", "latent_dim: 3"))
        assert finished.planned() == sorted(
            f"{job} vae on {dataset}, seed 0"
            for job in ("train", "evaluate", "certify")
            for dataset in ("digits", "mixture_2d")
        )
    finally:
        file.write_text(before)
    assert finished.planned() == []


@pytest.mark.parametrize(
    ("source", "jobs", "models"),
    [
        ("baselines/vae.py", ("train", "evaluate", "certify"), ["vae"]),
        ("baselines/dae.py", ("train", "evaluate"), ["dae-walkback"]),
        ("cdae/bound.py", ("evaluate",), ["dae-walkback", "gaussian", "vae"]),
        ("cdae/estimators/parzen.py", ("evaluate",), ["dae-walkback", "gaussian", "vae"]),
        ("cdae/estimators/hamiltonian.py", ("certify",), ["cdae-k1", "cdae-k3", "vae"]),
    ],
)
def test_editing_a_source_file_plans_the_cells_that_depend_on_it_alone(finished, source, jobs, models):
    file = finished.folder / source
    before = file.read_text()
    try:
        file.write_text(before + "\n# edited\n")
        planned = finished.planned()
    finally:
        file.write_text(before)
    expected = {
        f"{job} {model} on {data}, seed 0" for job in jobs for model in models for data in ("digits", "mixture_2d")
    }
    also = {  # the cascade's own losses and bounds lie in the closure of its training too
        "cdae/bound.py": ("train", "evaluate", "evaluate snapshots of", "certify"),
        "cdae/estimators/parzen.py": ("evaluate", "evaluate snapshots of"),
    }
    cascades = ("cdae-k1", "cdae-k3")
    expected |= {
        f"{job} {k} on {d}, seed 0" for job in also.get(source, ()) for k in cascades for d in ("digits", "mixture_2d")
    }
    assert planned == sorted(expected)


def test_adding_a_model_or_a_data_set_plans_nothing(finished):
    added = finished.folder / "baselines/another.py"
    registry = finished.folder / "baselines/registry.py"
    before = registry.read_text()
    try:
        added.write_text('"""Another model."""\n')
        registry.write_text(before.replace("MODELS = {", 'MODELS = {\n    "another": "baselines.another:Another",'))
        assert finished.planned() == []
    finally:
        added.unlink()
        registry.write_text(before)


def test_a_failed_cell_is_a_result_with_a_reason_and_a_command_that_retries_it(finished):
    def diverge(config):
        keep_one_model("vae")(config)
        config["models"]["broken"] = {
            **config["models"]["vae"],
            "training": {**config["models"]["vae"]["training"], "learning_rate": 1.0e30},
        }

    config = finished.write_config("diverging", diverge)
    result = finished.run("--cores", "2", config=config)
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert "training diverged" in output and "lower learning_rate" in output
    assert "--forcerun results/diverging/models/digits/broken/0/training.json" in output
    table = pd.read_csv(finished.folder / "results/diverging/tables/log_likelihood.csv")
    assert set(table.loc[table["model"] == "broken", "status"]) == {"failed"}
    assert table.loc[table["model"] == "broken", "reason"].str.contains("training diverged").all()
    assert set(table.loc[table["model"] == "vae", "status"]) == {"ok"}
    assert (finished.folder / "results/diverging/figures/digits/samples.png").is_file()
    again = finished.run("--cores", "2", config=config)
    assert again.returncode == 1 and "training diverged" in again.stdout + again.stderr
    command = next(line for line in output.splitlines() if "to retry: " in line).split("to retry: ")[1].split()
    retried = finished.run(*command[1:3], *command[5:], "-n", config=command[4])
    assert "train broken on digits" in retried.stdout and "train vae on digits" not in retried.stdout


def test_a_failure_of_the_machine_is_not_recorded_and_is_repeated(finished):
    config = finished.write_config("small-disk", keep_one_model("vae"))

    def limit_file_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    result = finished.run("--cores", "2", config=config, preexec_fn=limit_file_size)
    output = result.stdout + result.stderr
    results = finished.folder / "results/small-disk"
    assert result.returncode == 1 and "File too large" in output and "run the same command again" in output
    assert "Traceback" not in output
    assert not list(results.glob("estimates/**/*.json")) and not list(results.rglob("*.partial"))
    assert finished.run("--cores", "2", config=config).returncode == 0
    assert (pd.read_csv(results / "tables/log_likelihood.csv")["status"] == "ok").all()


def test_a_second_run_of_the_same_grid_is_refused_while_the_first_goes_on(finished):
    config = finished.write_config("held", keep_one_model("vae"))
    with subprocess.Popen(
        finished.command("--cores", "1", config=config), cwd=finished.folder, env=finished.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as first:  # fmt: skip
        while not (finished.folder / "results/held/.held").exists():
            assert first.poll() is None
            time.sleep(0.05)
        second = finished.run("--cores", "1", config=config)
        assert "results_dir: another run is writing to results/held" in second.stdout + second.stderr
        assert second.returncode != 0
    assert first.returncode == 0


def test_killed_and_run_again_gives_the_same_bytes(finished, tmp_path):
    project = Project(tmp_path / "project")
    process = subprocess.Popen(
        project.command("--cores", "2"), cwd=project.folder, env=project.environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    started = time.monotonic()
    while not list((project.folder / "results").glob("smoke/models/*/*/*/training.json")):
        assert process.poll() is None and time.monotonic() - started < 120
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project.folder / "results/smoke/tables/summary.md").exists()
    assert project.run("--cores", "2").returncode == 0
    assert project.tables() == finished.tables()


def test_a_users_own_images_and_samples_run_end_to_end(finished):
    rng = np.random.default_rng(0)
    np.savez(finished.folder / "mine.npz", images=rng.integers(0, 256, (150, 4, 5), dtype=np.uint8))
    np.savez(finished.folder / "theirs.npz", samples=rng.random((50, 20)))

    def change(config):
        config["datasets"] = {"mine": {"loader": "npz", "path": "mine.npz"}}
        config["models"] = {
            "theirs": {"kind": "samples", "path": "theirs.npz"},
            "gaussian": config["models"]["gaussian"],
        }
        del config["certify"]

    config = finished.write_config("own", change)
    result = finished.run("--cores", "2", config=config)
    assert result.returncode == 0, result.stdout + result.stderr
    table = pd.read_csv(finished.folder / "results/own/tables/log_likelihood.csv")
    assert {"samples", "control"} == set(table["kind"])
    np.savez(finished.folder / "theirs.npz", samples=rng.random((60, 20)))
    os.utime(finished.folder / "theirs.npz")
    assert finished.planned(config=config) == ["evaluate theirs on mine, seed 0", "train theirs on mine, seed 0"]


def test_a_bad_file_of_images_stops_the_run_with_one_message(finished):
    np.savez(finished.folder / "bad.npz", images=np.full((150, 4), np.nan))

    def change(config):
        keep_one_model("vae")(config)
        config["datasets"] = {"bad": {"loader": "npz", "path": "bad.npz"}}

    result = finished.run("--cores", "2", config=finished.write_config("bad", change))
    output = result.stdout + result.stderr
    assert result.returncode == 1 and "bad.npz: 600 values of images are NaN or infinite" in output
    assert "Traceback" not in output
    assert not list((finished.folder / "results/bad").rglob("*.npz"))


@pytest.mark.parametrize("arguments", [("-n",), ("--lint",), ("--cores", "2")])
def test_a_bad_configuration_is_one_line_and_exit_1(finished, arguments):
    config = finished.write_config("misspelt", lambda config: config["models"]["vae"].update(latent_dims=3))
    result = finished.run(*arguments, config=config)
    output = result.stdout + result.stderr
    assert result.returncode == 1 and "Traceback" not in output
    assert [line for line in output.splitlines() if "latent_dims" in line] == [
        "config: models.vae: unknown key 'latent_dims'; did you mean 'latent_dim'?"
    ]


def test_two_configurations_at_once_are_refused(finished):
    result = finished.run("--configfile", "config/smoke.yaml", "config/config.yaml", "-n")
    assert result.returncode == 1 and "complete in itself" in result.stdout + result.stderr


def test_the_default_is_never_merged_into_another_configuration(finished):
    planned = finished.planned()
    assert planned == []  # the default's third data set and other models would be planned here
    result = subprocess.run(
        [SNAKEMAKE, "-n"], cwd=finished.folder, env=finished.environment(), capture_output=True, text=True
    )
    assert "train cdae-k16 on gaussian_8d, seed 2" in result.stdout


def test_lint_and_format_are_clean():
    binaries = Path(sys.executable).parent
    for command in ([SNAKEMAKE, "--lint"], [str(binaries / "snakefmt"), "--check", "Snakefile", "workflow/rules"]):
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_report_is_written(finished):
    result = finished.run("--report", "report.html")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "summary.md" in (finished.folder / "report.html").read_text()


def test_rows_carry_hashes_and_seeds(finished):
    table = pd.read_csv(finished.folder / "results/smoke/tables/log_likelihood.csv")
    assert table["config_sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert table["code_sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert table.groupby(["dataset", "model", "n_levels"], dropna=False)["config_sha256"].nunique().eq(1).all()
    record = json.loads((finished.folder / "results/smoke/models/digits/vae/0/training.json").read_text())
    assert record["config"]["seed"] == 0 and record["config"]["options"]["latent_dim"] == 2
