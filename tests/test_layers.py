"""Imports run in one direction, and libraries stay free of the pipeline."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cdae
from cdae import certification, evaluation
from workflow.grid import code_hash

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
        for imported in code_hash.direct_imports(module):
            assert imported.split(".")[0] in ALLOWED[package], f"{module} imports {imported}"


def test_nothing_imports_the_benchmark_of_speed():
    for file in [file for package in ALLOWED for file in (ROOT / package).rglob("*.py")]:
        assert "bench" not in foreign_imports(file), file
    for file in (ROOT / "bench").glob("*.py"):
        assert "tests" not in foreign_imports(file), file


def test_there_are_no_import_cycles():
    for module in [m for package in ALLOWED for m in modules(package)]:
        assert module not in code_hash.import_closure(list(code_hash.direct_imports(module))), module


def test_interfaces_and_gaussian_import_next_to_nothing_of_ours():
    assert code_hash.direct_imports("cdae.interfaces") == {"cdae.pixel_density"}  # of the last step of a Cascade
    assert code_hash.direct_imports("cdae.gaussian") == frozenset()


@pytest.mark.parametrize(
    "estimator",
    ["cdae.bound", "cdae.objective", *modules("cdae/estimators")],
)
def test_estimators_see_no_concrete_model(estimator):
    reached = code_hash.import_closure([estimator])
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


BELOW = {  # a folder of workflow -> what else of ours it may import
    "scripts": {
        "workflow.report",
        "workflow.figures",
        "workflow.tables",
        "workflow.jobs",
        "workflow.grid",
        "cdae.computing",
    },
    "report": {"workflow.tables", "workflow.grid"},
    "figures": {"workflow.tables", "workflow.grid", "cdae.computing"},
    "tables": {
        *("workflow.grid", "cdae.certificates.claims", "cdae.certificates.surpassed"),
        *("cdae.computing", "cdae.units"),
    },
    "jobs": {"workflow.grid.record", "workflow.grid.certificate", "workflow.grid.quality_record", "baselines", "cdae"},
    "grid": {
        *("baselines.registry", "baselines.own_methods", "cdae.datasets.registry"),
        *("cdae.certificates.claims", "cdae.certificates.evidence", "cdae.class_source", "cdae.computing"),
        "cdae.import_path",
    },
}
WITHOUT = {  # a folder of workflow -> what importing all of it never loads
    "grid": ("torch", "pandas", "matplotlib", "workflow.tables", "workflow.figures", "workflow.jobs"),
    "tables": ("torch", "matplotlib", "workflow.jobs", "workflow.figures"),
    "report": ("torch", "matplotlib", "workflow.jobs", "workflow.figures"),
    "figures": ("torch", "workflow.jobs"),
    "jobs": ("pandas", "matplotlib", "workflow.tables", "workflow.figures"),
    "scripts": ("torch", "workflow.jobs.evaluation"),
}


def test_workflow_has_these_folders():
    assert {file.parent.name for file in (ROOT / "workflow").glob("*/*.py")} == set(BELOW) == set(WITHOUT)


@pytest.mark.parametrize("folder", BELOW)
def test_the_folders_of_workflow_import_downwards_only(folder):
    allowed = (f"workflow.{folder}", *BELOW[folder])
    for module in modules(f"workflow/{folder}"):
        for name in code_hash.direct_imports(module) - packages_of(allowed):
            assert is_within(name, allowed), f"{module} imports {name}"


def is_within(name, places):
    return any(name == place or name.startswith(f"{place}.") for place in places)


def packages_of(names):
    """The packages that hold these modules, whose own files say nothing but what is in them."""
    parts = [name.split(".") for name in names]
    return {".".join(part[:i]) for part in parts for i in range(1, len(part))}


def test_packages_that_are_passed_through_are_empty():
    for name in packages_of(name for below in BELOW.values() for name in below):
        file = code_hash.module_file(name)
        assert name == "cdae" or len(ast.parse(file.read_text()).body) <= 1, name
        assert code_hash.direct_imports(name) == frozenset(), name


def test_the_package_forwards_certify_and_evaluate_and_is_cheap_to_import():
    code = "import sys, cdae\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "cdae.certification", "cdae.evaluation"} & {*loaded.stdout.split()}
    assert cdae.certify is certification.certify and cdae.evaluate is evaluation.evaluate
    assert {"certify", "evaluate"} <= {*dir(cdae)}
    with pytest.raises(AttributeError, match="module 'cdae' has no attribute 'certifi'"):
        _ = cdae.certifi


@pytest.mark.parametrize("folder", WITHOUT)
def test_what_a_folder_of_workflow_never_loads(folder):
    """Snakemake parses the grid, and tables are made, without waiting for torch."""
    code = f"import sys, {', '.join(modules(f'workflow/{folder}'))}\nprint(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr
    assert not set(loaded.stdout.split()) & set(WITHOUT[folder])


def test_doors_alone_are_run():
    """Nothing imports a door, and every door but the package is a program."""
    for module in [m for package in ALLOWED for m in modules(package)]:
        assert not is_within_doors(code_hash.direct_imports(module)), module
    for file in (ROOT / "workflow").rglob("*.py"):
        is_door = file.parent.name == "scripts" and file.name != "__init__.py"
        assert ('if __name__ == "__main__":' in file.read_text()) == is_door, file


def is_within_doors(names):
    return any(is_within(name, ["workflow.scripts"]) for name in names)
