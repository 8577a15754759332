"""The pipeline as its users meet it: a copy of the project in which the smoke grid runs, fails, resumes and repeats.

Runs are dear, two seconds a job, so one run serves several tests. What a change of the code or of the configuration
plans is asked of Snakemake once, for several changes at a time; `test_code_hash` and `test_cells` ask it of every one.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from cdae.certificates.claims import Claim
from tests.workflow.conftest import ROOT
from workflow.grid.products import FIGURES, PAGES, TABLES
from workflow.report.start import WITH_STATUS
from workflow.tables.identity import read_csv

pytestmark = pytest.mark.pipeline
SOURCES = ["Snakefile", "environment.yml", "workflow", "cdae", "baselines", "config", "profiles", "results/reference"]
SNAKEMAKE = str(Path(sys.executable).parent / "snakemake")


class Project:
    """A folder with a copy of the project, and snakemake to run in it."""

    def __init__(self, folder):
        self.folder = Path(folder)

    @classmethod
    def copy_of_the_sources(cls, folder):
        folder.mkdir(parents=True)
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        return cls(folder)

    def command(self, *arguments, config="config/smoke.yaml"):
        return [SNAKEMAKE, "--configfile", config, *arguments]

    def environment(self):
        """The copy's sources come before an installed project; the environment is not activated."""
        return {**os.environ, "PYTHONPATH": str(self.folder)}

    def run(self, *arguments, config="config/smoke.yaml", **options):
        command = self.command(*(arguments or ("--cores", "2")), config=config)
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=900, **options
        )

    def start(self, *arguments, config="config/smoke.yaml"):
        """A run that goes on while the test does something else, in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments, config=config), cwd=self.folder, env=self.environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def planned(self, config="config/smoke.yaml"):
        """What a run would do now: the messages of its train and evaluate jobs, sorted."""
        lines = self.run("-n", config=config).stdout.splitlines()
        messages = [line.split(": ", 1)[-1].strip() for line in lines]
        return sorted({m for m in messages if m.startswith(("train ", "evaluate ", "certify ", "fly ")) and " o" in m})

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
        return {f"{file.parent.name}/{file.name}": file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the project in which the smoke grid has run on two cores."""
    project = Project.copy_of_the_sources(tmp_path_factory.mktemp("finished") / "project")
    result = project.run("--cores", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    project.output = result.stdout + result.stderr
    return project


def keep_one_model(name, **options):
    """A change to a configuration: the digits and one model alone."""

    def change(config):
        config["datasets"] = {"digits": config["datasets"]["digits"]}
        config["models"] = {name: {**config["models"][name], **options}}
        del config["certify"], config["quality"]

    return change


def test_outputs_exist_and_the_run_ends_with_the_table_and_where_things_lie(finished):
    results = finished.folder / "results/smoke"
    table = read_csv(results / "tables/log_likelihood.csv")
    assert {file.name for file in (results / "tables").iterdir()} == {*TABLES, "provenance.json"}
    assert (table["status"] == "ok").all() and table["mean_nats"].notna().all()
    assert set(table["estimator"]) == {"exact", "lower_bound", "markov_bound", "importance_weighted", "parzen"}
    assert (table["standard_error_nats"] > 0).all()
    judged = {"sample_quality", "mixing", "representation", "denoising"}
    for dataset, shown in {"digits": {*FIGURES}, "mixture_2d": {*FIGURES} - judged}.items():
        names = {file.name for file in (results / "figures" / dataset).iterdir()}
        records = {"provenance.json"} | ({"judged_provenance.json"} if dataset == "digits" else set())
        assert {f"{name}.{suffix}" for name in shown for suffix in ("svg", "png")} == names - records
        assert records <= names
    assert {file.name for file in (results / "report").iterdir()} == {
        *(f"{name}.html" for name in PAGES),
        "provenance.json",
    }
    assert "| cdae, k = 3 |" in finished.output
    assert "tables: results/smoke/tables" in finished.output
    assert "train vae on digits, seed 0" in finished.output and "(100%) done" in finished.output


def test_exact_values_stand_beside_estimates_where_they_are_known(finished):
    table = read_csv(finished.folder / "results/smoke/tables/log_likelihood.csv")
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
    curve = read_csv(tables / "snapshots.csv")
    assert sorted(curve["n_updates"].unique()) == [10, 20] and (curve["status"] == "ok").all()
    long = read_csv(tables / "log_likelihood.csv")
    keys = ["dataset", "model", "n_levels", "seed", "estimator"]
    ends = curve[curve["n_updates"] == 20].merge(long, on=keys, suffixes=("", "_long"))
    assert len(ends) == 12 and (ends["mean_nats"] == ends["mean_nats_long"]).all()
    levels = read_csv(tables / "levels.csv")
    assert len(levels) == 2 * 2 * (1 + 3 + 2) and sorted(levels["n_updates"].unique()) == [10, 20]
    assert (levels[["mse_train", "mse_test"]] > 0).all(axis=None)


def test_levels_that_a_pilot_chose_are_those_of_the_model_and_its_promise_stands_beside_the_bound(finished):
    results = finished.folder / "results/smoke"
    promised = read_csv(results / "tables/predicted_bounds.csv")
    assert promised["model"].tolist() == ["cdae-optimal"] * 2 and promised.notna().all(axis=None)
    levels = read_csv(results / "tables/levels.csv").query("model == 'cdae-optimal' and n_updates == 20")
    for dataset in ("digits", "mixture_2d"):
        record = json.loads((results / f"models/{dataset}/cdae-optimal-k2/0/training.json").read_text())
        grid = np.geomspace(0.1, 4.0, 12)
        for level in record["relative_std"]:
            assert np.abs(grid / level - 1.0).min() < 1e-6  # the levels are float32
        std = levels.loc[levels["dataset"] == dataset, "corruption_std"].to_numpy()
        np.testing.assert_allclose(std[1] / std[0], record["relative_std"][1] / record["relative_std"][0])
        known = promised[promised["dataset"] == dataset].iloc[0]
        assert known["predicted_train_nats"] == pytest.approx(record["predicted_nats"]["train"])
    assert not (results / "models/digits/cdae-k3/0/training.json").read_text().count("relative_std")


def test_certificates_stand_beside_the_bound(finished):
    tables = finished.folder / "results/smoke/tables"
    table = read_csv(tables / "certificates.csv")
    assert (table["status"] == "ok").all() and len(table) == 2 * (3 * 8 + 3)
    assert (table.loc[table["estimator"] != "importance_weighted", "n_points"].isin([10, 12])).all()
    annealed = table[table["estimator"] == "annealed"]
    assert annealed.set_index(["dataset", "model", annealed["n_levels"].fillna(0)])["n_distributions"].to_dict() == {
        (d, m, k): 6 if k == 3 else 5
        for d in ("digits", "mixture_2d")
        for m, k in (("cdae", 1), ("cdae", 3), ("cdae-optimal", 2), ("vae", 0))
    }  # fmt: skip
    assert (table.loc[table["model"] == "cdae", "gap_nats"].groupby(table["n_levels"]).size() == 16).all()
    known = table[table["dataset"] == "mixture_2d"]
    assert np.allclose(known["excess_nats"], known["mean_nats"] - known["exact_nats"])
    assert set(table["claim"]) <= {Claim.CHECKED, Claim.STOCHASTIC, Claim.NOT_CONVERGED}
    assert "| cdae, k = 3 | sequential, guided |" in (tables / "certificates.md").read_text()
    assert "Tightest (gap)" in finished.output


def test_every_model_with_a_bound_or_a_density_has_its_gap_between_training_and_test(finished):
    tables = finished.folder / "results/smoke/tables"
    gaps, long = read_csv(tables / "train_test_gap.csv"), read_csv(tables / "log_likelihood.csv")
    assert set(gaps["model"]) == {
        *("cdae", "cdae-markov", "cdae-optimal", "cdae-optimal-markov", "vae", "gaussian")
    } and len(gaps) == 2 * (3 * 2 + 2)
    assert (gaps["n_train_points"] == 1000).all() and (gaps["gap_standard_error_nats"] > 0).all()
    both = gaps.merge(long, on=["dataset", "model", "n_levels", "seed", "estimator"])
    assert len(both) == len(gaps) and (both["test_nats"] == both["mean_nats"]).all()
    assert "| Train - test |" in finished.output and "| cdae-markov, k = 3 |" in finished.output


def test_the_time_is_told_before_a_run_and_during_it(finished):
    assert "42 jobs of training and evaluation to run; no committed run tells how long" in finished.output
    assert "of 42 jobs of training and evaluation are done; " in finished.output


def test_the_page_of_a_run_that_goes_on_could_be_made_and_is_gone_at_its_end(finished):
    results = finished.folder / "results/smoke"
    assert (results / "logs/progress.log").read_text() == "" and not (results / "progress.md").exists()


def test_a_finished_grid_runs_nothing_and_changes_nothing(finished):
    before = finished.tables()
    result = finished.run("--cores", "2")
    assert result.returncode == 0 and "Nothing to be done" in result.stdout + result.stderr
    assert finished.tables() == before


def test_killed_and_run_again_on_one_core_gives_the_same_bytes(finished, tmp_path):
    """The cells of two models, all tables and all figures are made again, with a kill between."""
    shutil.copytree(finished.folder, tmp_path / "project")
    project, results = Project(tmp_path / "project"), tmp_path / "project" / "results" / "smoke"
    made_again = ("cdae-k3", "gaussian")
    for name in ("models", "estimates", "certificates", "snapshots", "pictures"):
        for model in made_again:
            shutil.rmtree(results / name / "digits" / model, ignore_errors=True)  # a control has no certificate
    for name in ("tables", "figures"):
        shutil.rmtree(results / name)
    process = project.start("--cores", "1")
    started = time.monotonic()
    while not any((results / f"models/digits/{model}/0/training.json").exists() for model in made_again):
        assert process.poll() is None and time.monotonic() - started < 120
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (results / "tables/summary.md").exists()
    (results / "progress.md").write_text("what the killed run may have left")
    assert project.run("--cores", "1").returncode == 0 and not (results / "progress.md").exists()
    assert project.tables() == finished.tables()
    assert project.figures() == finished.figures() and len(finished.figures()) == 16 + 12


def test_edited_code_and_an_edited_configuration_plan_the_cells_that_depend_on_them_alone(finished):
    """A model's own file, an estimator of certificates alone, and a hyperparameter of another model."""
    files = {name: finished.folder / name for name in ("baselines/dae.py", "cdae/estimators/rotation.py")}
    config = finished.folder / "config/smoke.yaml"
    before = {file: file.read_text() for file in [*files.values(), config]}
    try:
        for file in files.values():
            file.write_text(before[file] + "\n# edited\n")
        config.write_text(before[config].replace("covariance: diagonal", "covariance: isotropic"))
        planned = finished.planned()
    finally:
        for file, text in before.items():
            file.write_text(text)
    jobs = [("train", "dae-walkback"), ("evaluate", "dae-walkback"), ("train", "gaussian"), ("evaluate", "gaussian")]
    jobs += [("certify", model) for model in ("cdae-k1", "cdae-k3", "cdae-optimal-k2", "vae")]
    assert planned == sorted(f"{job} {model} on {d}, seed 0" for job, model in jobs for d in ("digits", "mixture_2d"))


def test_adding_a_model_or_merging_the_default_plans_nothing(finished):
    """The default has a third data set and other models, which would be planned if it were merged into another."""
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
    result = subprocess.run(
        [SNAKEMAKE, "-n"], cwd=finished.folder, env=finished.environment(), capture_output=True, text=True
    )
    assert "train cdae-k16 on gaussian_8d, seed 2" in result.stdout


@pytest.fixture(scope="module")
def diverged(finished):
    """The finished run of a user's own images and samples, in which one model diverges."""
    rng = np.random.default_rng(0)
    np.savez(finished.folder / "mine.npz", images=rng.integers(0, 256, (150, 4, 5), dtype=np.uint8))
    np.savez(finished.folder / "theirs.npz", samples=rng.random((50, 20)))

    def change(config):
        vae = config["models"]["vae"]
        config["datasets"] = {"mine": {"loader": "npz", "path": "mine.npz"}}
        config["models"] = {
            "theirs": {"kind": "samples", "path": "theirs.npz"},
            "gaussian": config["models"]["gaussian"],
            "broken": {**vae, "training": {**vae["training"], "learning_rate": 1.0e30}},
        }
        del config["certify"], config["quality"]

    config = finished.write_config("diverging", change)
    return config, finished.run("--cores", "2", config=config)


def test_a_failed_cell_is_a_result_with_a_reason_and_a_command_that_retries_it(finished, diverged):
    config, result = diverged
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert "training diverged" in output and "lower learning_rate" in output
    assert "--forcerun results/diverging/models/mine/broken/0/training.json" in output
    table = read_csv(finished.folder / "results/diverging/tables/log_likelihood.csv")
    assert set(table.loc[table["model"] == "broken", "status"]) == {"failed"}
    assert table.loc[table["model"] == "broken", "reason"].str.contains("training diverged").all()
    assert (finished.folder / "results/diverging/figures/mine/samples.png").is_file()
    again = finished.run("--cores", "2", config=config)
    assert again.returncode == 1 and "training diverged" in again.stdout + again.stderr
    command = next(line for line in output.splitlines() if "to retry: " in line).split("to retry: ")[1].split()
    retried = finished.run(*command[1:3], *command[5:], "-n", config=command[4])
    assert "train broken on mine" in retried.stdout and "train gaussian on mine" not in retried.stdout


def test_a_users_own_images_and_samples_run_end_to_end(finished, diverged):
    config, _ = diverged
    table = read_csv(finished.folder / "results/diverging/tables/log_likelihood.csv")
    own = table[table["model"] != "broken"]
    assert set(own["kind"]) == {"samples", "control"} and set(own["status"]) == {"ok"}
    assert finished.planned(config=config) == []
    np.savez(finished.folder / "theirs.npz", samples=np.random.default_rng(1).random((60, 20)))
    os.utime(finished.folder / "theirs.npz")
    assert finished.planned(config=config) == ["evaluate theirs on mine, seed 0", "train theirs on mine, seed 0"]


def test_a_failure_of_the_machine_is_not_recorded_and_is_repeated(finished):
    """While it is repeated, a second run of the same grid is refused, and does no harm to the first."""
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
    (results / ".held").unlink()
    with finished.start("--cores", "2", config=config) as again:
        while not (results / ".held").exists():
            assert again.poll() is None
            time.sleep(0.05)
        time.sleep(1.0)  # from making the file to holding it
        os.killpg(again.pid, signal.SIGSTOP)  # or it might end before the second has begun
        second = finished.run("--cores", "1", config=config)
        os.killpg(again.pid, signal.SIGCONT)
        assert second.returncode != 0
        assert "results_dir: another run is writing to results/small-disk" in second.stdout + second.stderr
    assert again.returncode == 0
    assert (read_csv(results / "tables/log_likelihood.csv")["status"] == "ok").all()


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


def test_a_bad_configuration_is_one_line_and_exit_1(finished):
    config = finished.write_config("misspelt", lambda config: config["models"]["vae"].update(latent_dims=3))
    for arguments in [("-n",), ("--lint",), ("--cores", "2")]:
        result = finished.run(*arguments, config=config)
        output = result.stdout + result.stderr
        assert result.returncode == 1 and "Traceback" not in output
        assert [line for line in output.splitlines() if "latent_dims" in line] == [
            "config: models.vae: unknown key 'latent_dims'; did you mean 'latent_dim'?"
        ]
    result = finished.run("--configfile", "config/smoke.yaml", "config/config.yaml", "-n")
    assert result.returncode == 1 and "complete in itself" in result.stdout + result.stderr


APPTAINER = """\
#!/bin/sh
[ "$1" = --version ] && echo "apptainer version 1.3.4" && exit
echo "image: $*" >> {log}
PATH={container}:$PATH
for last; do :; done
exec bash -c "$last"
"""
PYTHON = """\
#!/bin/sh
echo "python of the container: $*" >> {log}
exec {python} "$@"
"""


def test_a_job_in_a_container_takes_the_python_of_the_container(finished, tmp_path, monkeypatch):
    """With a stand-in for apptainer, which has a python that says that it was used."""
    known = {"log": tmp_path / "log", "container": tmp_path / "container", "python": sys.executable}
    for path, text in ((tmp_path / "bin/apptainer", APPTAINER), (tmp_path / "container/python", PYTHON)):
        path.parent.mkdir()
        path.write_text(text.format(**known))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (finished.folder / "cdae-benchmark.sif").touch()
    config = finished.write_config("contained", keep_one_model("gaussian"))
    target = "results/contained/data/digits.json"
    result = finished.run("--cores", "1", "--software-deployment-method", "apptainer", "--", target, config=config)
    assert result.returncode == 0, result.stdout + result.stderr
    image, python = known["log"].read_text().splitlines()
    assert " cdae-benchmark.sif bash -c " in image
    assert python.startswith("python of the container: -m workflow.scripts.prepare_data --name digits")


def test_lint_and_format_are_clean():
    binaries = Path(sys.executable).parent
    for command in ([SNAKEMAKE, "--lint"], [str(binaries / "snakefmt"), "--check", "Snakefile", "workflow/rules"]):
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_report_is_written(finished):
    result = finished.run("--report", "report.html")
    assert result.returncode == 0, result.stdout + result.stderr
    text = (finished.folder / "report.html").read_text()
    assert "summary.md" in text
    start = re.search(r"^ *var workflow_desc = (.*);$", text, flags=re.MULTILINE)[1]
    page = json.loads(start)
    n_rows = sum(len(read_csv(finished.folder / "results/smoke/tables" / name)) for name in WITH_STATUS)
    assert "The verdict on the run" in page and "cdae, k = 3" in page
    assert n_rows > 150 and f"All {n_rows} estimates succeeded." in page
    assert "<script" not in page, "it would end the script that the text stands in"
    assert (ROOT / "profiles/default/report.css").read_text() in text, "what narrow screens need, whatever is open"
    shown = json.loads(re.search(r"^ *var results = (\{.*);$", text, flags=re.MULTILINE)[1])
    figures = [entry for name, entry in shown.items() if name.endswith(".svg")]
    assert len(figures) == 16 + 12 and all(
        entry["caption"] and entry["labels"]["Figure"][:2].isdigit() for entry in figures
    )
    assert all(entry["caption"] for entry in shown.values())
    categories = json.loads(re.search(r"^ *var categories = (\{.*);$", text, flags=re.MULTILINE)[1])
    assert sorted(categories) == ["1 Findings", "2 Figures", "3 Tables", "4 Files"]


def test_rows_carry_hashes_and_seeds(finished):
    table = read_csv(finished.folder / "results/smoke/tables/log_likelihood.csv")
    assert table["config_sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert table["code_sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert table.groupby(["dataset", "model", "n_levels"], dropna=False)["config_sha256"].nunique().eq(1).all()
    record = json.loads((finished.folder / "results/smoke/models/digits/vae/0/training.json").read_text())
    assert record["config"]["seed"] == 0 and record["config"]["options"]["latent_dim"] == 2


def test_a_run_for_one_cell_does_not_make_tables_again_and_one_for_the_verdict_does(finished):
    """The configuration has one model fewer, so the tables are stale and the cells are not."""
    path = finished.folder / "config/fewer.yaml"
    config = yaml.safe_load((finished.folder / "config/smoke.yaml").read_text())
    del config["models"]["gaussian"]
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    planned = {
        target: finished.run("-n", f"results/smoke/{target}", config="config/fewer.yaml").stdout
        for target in ("models/digits/vae/0/weights.safetensors", "verdict.txt")
    }
    assert ["make the tables" in output for output in planned.values()] == [False, True]
    assert not any("train " in output for output in planned.values())
