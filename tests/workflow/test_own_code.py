"""The files of a user that a cell depends on: that of the import path, and what it imports of the same place."""

import pytest

from cdae.class_source import _tree
from cdae.import_path import ImportPath
from workflow.grid.own_code import own_code

FILES = {
    "pack/__init__.py": "",
    "pack/sub/__init__.py": "",
    "pack/sub/model.py": (
        "from ..layers import A\nimport outside\nfrom cdae.gaussian import log_normal\nclass M(A): ...\n"
    ),
    "pack/layers.py": "def f():\n    from pack import late\nclass A: ...\n",
    "pack/late.py": "B = 1\n",
    "pack/unused.py": "C = 1\n",
    "outside.py": "D = 1\n",
    "alone/file.py": "import beside\nfrom cdae import bound\nclass M: ...\n",
    "alone/beside.py": "E = 1\n",
    "alone/other.py": "F = 1\n",
}


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def code_of(target):
    """As a new process finds it."""
    own_code.cache_clear()
    _tree.cache_clear()
    return own_code(ImportPath.parse(target))


@pytest.mark.parametrize(
    ("target", "counting"),
    [
        ("pack.sub.model:M", {"pack/sub/model.py", "pack/layers.py", "pack/late.py", "pack/__init__.py"}),
        ("alone/file.py:M", {"alone/file.py", "alone/beside.py"}),
        ("outside:D", {"outside.py"}),
    ],
)
def test_the_contents_of_the_file_and_of_what_it_imports_beside_it_count_and_no_other(working_folder, target, counting):
    before, changed = code_of(target), set()
    for name, text in FILES.items():
        (working_folder / name).write_text(text + "# edited\n")
        if code_of(target) != before:
            changed.add(name)
        (working_folder / name).write_text(text)
    assert changed == counting and code_of(target) == before


def test_modules_of_this_suite_count_as_those_of_our_own_code():
    assert code_of("pack.sub.model:M").ours == ("cdae.gaussian:",)
    assert code_of("alone/file.py:M").ours == ("cdae.bound:", "cdae:")
    assert code_of("pack.layers:A").ours == ()


def test_where_a_file_lies_does_not_count(working_folder):
    (working_folder / "moved").mkdir()
    for name in ("file.py", "beside.py"):
        (working_folder / "moved" / name).write_text(FILES[f"alone/{name}"])
    assert code_of("moved/file.py:M") == code_of("alone/file.py:M")


def test_packages_that_are_installed_beside_a_module_do_not_count(working_folder, monkeypatch):
    folder = working_folder / "site-packages"
    folder.mkdir()
    (folder / "single.py").write_text("import neighbour\nclass M: ...\n")
    (folder / "neighbour.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    before = code_of("single:M")
    (folder / "neighbour.py").write_text("A = 1")
    assert code_of("single:M") == before


def test_packages_of_an_environment_within_the_folder_do_not_count(working_folder, monkeypatch):
    """As torch in the `.venv` of a clone, whose thousands of files would be read."""
    folder = working_folder / ".venv/lib/site-packages"
    folder.mkdir(parents=True)
    (folder / "heavy.py").write_text("")
    (working_folder / "model.py").write_text("import heavy\nimport outside\nclass M: ...\n")
    monkeypatch.syspath_prepend(folder)
    before = {target: code_of(target) for target in ("model.py:M", "model:M")}
    (folder / "heavy.py").write_text("A = 1")
    assert {target: code_of(target) for target in before} == before
    (working_folder / "outside.py").write_text("D = 2")
    assert code_of("model.py:M") != before["model.py:M"]
