"""A folder of a user with models in a package and in a file: run as anyone would, from there, with no edit of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cdae.computing.files import read_record
from tests.workflow.conftest import ROOT

pytestmark = pytest.mark.pipeline
FILES = {
    "package/__init__.py": "",
    "package/net.py": (
        "import torch\nclass Base(torch.nn.Module):\n"
        "    def sample(self, n, *, generator): return torch.randn(n, 2, generator=generator)\n"
    ),
    "package/model.py": (
        "from .net import Base\nclass Mine(Base):\n"
        "    def log_prob(self, x): return -0.5 * x.square().sum(-1) - 1.8378770664093453\n"
    ),
    "broken.py": "import no_such_module\nclass Broken:\n    def log_prob(self, x): ...\n",
}
CONFIG = {
    "results_dir": "out",
    "base_seed": 1,
    "seeds": [0],
    "datasets": {"mixture_2d": {"loader": "mixture_2d"}},
    "models": {"mine": {"kind": "package.model:Mine"}, "broken": {"kind": "broken.py:Broken"}},
    "estimators": {
        "lower_bound": {"n_draws": 2},
        "importance_weighted": {"n_importance_samples": 5, "n_points": 50},
        "parzen": {"n_samples": 200},
        "exact": {},
    },
}


def snakemake(folder, *arguments):
    command = [str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", "mine.yaml", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def test_models_of_a_users_folder_run_and_fail_alone_and_run_again_where_their_package_changes(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    run = snakemake(tmp_path, "--cores", "1")
    assert (
        run.returncode == 1 and "broken.py:Broken: importing it raised ModuleNotFoundError" in run.stdout + run.stderr
    )
    rows = {
        model: {row["estimator"]: row["status"] for row in read_record(path)["rows"]}
        for model in ("mine", "broken")
        for path in [tmp_path / f"out/estimates/mixture_2d/{model}/0.json"]
    }
    assert rows == {"mine": {"exact": "ok", "parzen": "ok"}, "broken": {"exact": "failed"}}
    assert "| broken |" in (tmp_path / "out/tables/summary.md").read_text()
    (tmp_path / "package/net.py").write_text(FILES["package/net.py"] + "# edited\n")
    planned = snakemake(tmp_path, "-n").stdout
    assert "train mine on mixture_2d" in planned and "evaluate mine on" in planned
    assert "train broken" not in planned and "prepare mixture_2d" not in planned
