"""Imports run in one direction, libraries stay free of the pipeline, and closures say what a cell depends on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.registry import MODELS
from workflow.scripts import closure

ROOT = Path(__file__).parents[1]


def modules(package):
    files = sorted((ROOT / package).rglob("*.py"))
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]


def foreign_imports(path):
    """Top-level names of everything that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


ALLOWED = {"cdae": {"cdae"}, "baselines": {"baselines", "cdae"}, "workflow": {"workflow", "baselines", "cdae"}}


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_downwards_only(package):
    for module in modules(package):
        for imported in closure.direct_imports(module):
            assert imported.split(".")[0] in ALLOWED[package], f"{module} imports {imported}"


def test_nothing_imports_the_benchmark_of_speed():
    for file in [file for package in ALLOWED for file in (ROOT / package).rglob("*.py")]:
        assert "bench" not in foreign_imports(file), file
    for file in (ROOT / "bench").glob("*.py"):
        assert "tests" not in foreign_imports(file), file


def test_there_are_no_import_cycles():
    for module in [m for package in ALLOWED for m in modules(package)]:
        assert module not in closure.import_closure(list(closure.direct_imports(module))), module


def test_interfaces_and_gaussian_import_nothing_of_ours():
    assert closure.direct_imports("cdae.interfaces") == frozenset()
    assert closure.direct_imports("cdae.gaussian") == frozenset()


@pytest.mark.parametrize(
    "estimator",
    ["cdae.bound", "cdae.objective", *modules("cdae/estimators")],
)
def test_estimators_see_no_concrete_model(estimator):
    reached = closure.import_closure([estimator])
    assert "cdae.model" not in reached and not any(name.startswith("baselines") for name in reached)


@pytest.mark.parametrize("package", ["cdae", "baselines"])
def test_libraries_import_neither_snakemake_nor_matplotlib_nor_read_results(package):
    for file in (ROOT / package).rglob("*.py"):
        assert not foreign_imports(file) & {"snakemake", "matplotlib", "seaborn", "yaml"}, file
        assert "results/" not in file.read_text(), file


def test_oracles_import_nothing_of_ours():
    files = list((ROOT / "tests/oracles").glob("*.py"))
    assert files
    for file in files:
        assert not foreign_imports(file) & {"cdae", "baselines", "workflow"}, file


def test_two_pi_has_one_home():
    holders = {
        file.relative_to(ROOT).as_posix()
        for package in ("cdae", "baselines")
        for file in (ROOT / package).rglob("*.py")
        if any(text in file.read_text() for text in ("math.pi", "np.pi", "torch.pi"))
    }
    # The toy data's own density is data, with its circle of means, and the learning rate follows a cosine; densities of
    # models are in gaussian.py alone.
    assert holders == {"cdae/gaussian.py", "cdae/datasets/toy.py", "cdae/training.py"}


def test_a_closure_follows_functions_and_leaves_registries_to_the_cell():
    names = closure.import_closure(["workflow.scripts.train"])
    assert {"cdae.training", "cdae.checkpoint", "baselines.registry"} <= set(names)
    assert not any(name in names for name in ("cdae.model", "baselines.vae", "baselines.dae"))


def test_the_code_hash_depends_on_the_closure_of_the_models_own_kind(monkeypatch):
    kinds = ["cdae", "vae", "dae"]
    before = {kind: closure.code_sha256("workflow.scripts.train", [MODELS[kind]]) for kind in kinds}
    real = closure._source
    edited = lambda module: real(module) + (b"# edited" if module == "baselines.vae" else b"")  # noqa: E731
    monkeypatch.setattr(closure, "_source", edited)
    after = {kind: closure.code_sha256("workflow.scripts.train", [MODELS[kind]]) for kind in kinds}
    assert [kind for kind in kinds if before[kind] != after[kind]] == ["vae"]


def test_the_pipeline_can_be_planned_without_importing_torch():
    code = "import sys, workflow.scripts.grid, workflow.scripts.closure; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
