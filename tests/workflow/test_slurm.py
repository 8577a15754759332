"""The groups of the profile can be planned, and cells on a real Slurm give the files of a local run, byte for byte.

The latter up to the evaluation: tables and figures would double the time, and they are made of these files by the same
commands.
"""

import pytest
import yaml

from tests.workflow import slurm
from tests.workflow.test_pipeline import SNAKEMAKE, Project

pytestmark = pytest.mark.pipeline
WHY_NOT = slurm.reason_to_skip()
TARGET = "results/small/estimates/mixture_2d/gaussian/0.json"
NOT_THE_SAME_TWICE = {"benchmarks", "logs"}  # times, and what a job said
# The profile waits as suits a cluster with a database of jobs and a disk on a network. This one has neither.
IMPATIENT = (
    "--slurm-init-seconds-before-status-checks",
    "1",
    "--latency-wait",
    "5",
    "--slurm-status-command",
    "squeue",
)


def one_small_cell(config):
    config["datasets"] = {"mixture_2d": config["datasets"]["mixture_2d"]}
    config["models"] = {"gaussian": config["models"]["gaussian"]}
    del config["certify"], config["quality"]


def files(folder):
    """All that a run has made, by its path, but for times and logs."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {path: (folder / path).read_bytes() for path in paths if path.parts[0] not in NOT_THE_SAME_TWICE}


@pytest.mark.parametrize("name", ["config", "mnist"])  # which judges samples, and which follows training
def test_the_groups_of_the_profile_plan_a_whole_grid(tmp_path, name):
    project = Project.copy_of_the_sources(tmp_path / "project")
    profile = yaml.safe_load((project.folder / "profiles/slurm/config.yaml").read_text())
    planned = project.run("-n", "--groups", *profile["groups"], config=f"config/{name}.yaml")
    assert planned.returncode == 0, planned.stdout + planned.stderr


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_a_cell_on_slurm_gives_the_same_bytes_as_a_local_run(tmp_path):
    project = Project.copy_of_the_sources(tmp_path / "project")
    config = project.write_config("small", one_small_cell)
    here = project.run("--cores", "2", TARGET, config=config)
    assert here.returncode == 0, here.stdout + here.stderr
    results = project.folder / "results/small"
    expected = files(results)
    results.rename(project.folder / "local")
    with slurm.Slurm(tmp_path / "slurm") as cluster:
        command = [SNAKEMAKE, "--workflow-profile", "profiles/slurm", "--configfile", config, *IMPATIENT, TARGET]
        there = cluster.run(*command, cwd=project.folder, timeout=300.0)
        jobs = cluster.run("squeue", "--noheader", "--states=all", "--format=%T").stdout.split()
    assert there.returncode == 0, there.stdout + there.stderr
    assert jobs == ["COMPLETED"] * 2  # the data, and the cell's jobs in one group
    assert {path.parts[0] for path in expected} >= {"data", "models", "kept", "estimates", "pictures"}
    assert files(results) == expected
