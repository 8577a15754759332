"""What is read of a class from its source, without running it."""

import pytest
from torch import nn

from cdae.class_source import (
    OF_TORCH_MODULES,
    Source,
    check_bound,
    class_of,
    imported_sources,
    literal,
    methods,
    methods_of,
)
from cdae.import_path import ImportPath

FILES = {
    "ours/__init__.py": "from .child import Child as Shown\n",
    "ours/base.py": (
        "from abc import ABC\nfrom torch import nn\nclass Base(nn.Module, ABC):\n    def simulate(self): ...\n"
    ),
    "ours/child.py": (
        "import torch.nn as tn\nimport ours.base\nfrom typing import Generic\nfrom ours.base import Base as Parent\n"
        "class Middle(Parent):\n    @property\n    def n_levels(self): ...\n"
        "class Child(Middle):\n    def step(self): ...\n"
        "class Dotted(ours.base.Base, Generic[int]):\n    def loss(self): ...\n"
        "class Linear(tn.Linear): ...\n"
        "class Alone:\n    step = None\n"
    ),
    "ours/deep/inner.py": (
        "from ..base import Base\nfrom .. import child\nclass Inner(Base): ...\nclass Other(child.Child): ...\n"
    ),
    "made.py": (
        "from ours import Shown\nfrom nowhere import Strange\nraise SystemExit('this file must not be run')\n"
        "def make(dim) -> Shown: ...\ndef quoted() -> 'Shown': ...\ndef silent(): ...\ndef wrong() -> int: ...\n"
        "class Odd(Strange, Shown):\n    options_schema = {'type': 'object'}\n    computed = 1 + len('a')\n"
        "    typed: dict = {'a': [1]}\n"
    ),
    "round.py": "from around import A\nclass B(A): ...\n",
    "around.py": "from round import A\n",
    "broken.py": "class A(:\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)


def names(target):
    return methods_of(ImportPath.parse(target)).names


def test_methods_of_torch_are_methods_of_its_modules():
    assert OF_TORCH_MODULES and all(callable(getattr(nn.Module, name)) for name in OF_TORCH_MODULES)


def test_methods_are_inherited_within_and_across_files_under_any_name():
    assert names("ours.child:Child") == {"step", "n_levels", "simulate", *OF_TORCH_MODULES}
    assert names("ours.child:Middle") == {"n_levels", "simulate", *OF_TORCH_MODULES}
    assert names("ours.child:Dotted") == {"loss", "simulate", *OF_TORCH_MODULES}
    assert names("ours.child:Linear") == OF_TORCH_MODULES
    assert names("ours.child:Alone") == frozenset()


def test_relative_imports_and_names_that_a_package_shows_are_followed():
    assert "simulate" in names("ours.deep.inner:Inner") and "step" not in names("ours.deep.inner:Inner")
    assert {"step", "simulate"} <= names("ours.deep.inner:Other")
    assert names("ours:Shown") == names("ours.child:Child") == names("ours/child.py:Child")


def test_a_function_has_the_methods_of_the_class_that_it_says_it_returns():
    assert names("made.py:make") == names("made.py:quoted") == names("ours.child:Child")


@pytest.mark.parametrize(("name", "got"), [("silent", "no return annotation"), ("wrong", "-> int")])
def test_a_function_that_names_no_class_is_refused(name, got):
    with pytest.raises(ValueError, match=f"a function with {got}, expected the name of a class"):
        names(f"made.py:{name}")


def test_bases_whose_source_is_not_found_are_named_and_the_others_count():
    found = methods_of(ImportPath.parse("made.py:Odd"))
    assert found.unread == {"nowhere.Strange"} and "simulate" in found.names
    assert methods_of(ImportPath.parse("ours.child:Child")).unread == frozenset()


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"expected a class or a function of .*child\.py: Alone, Child, Dotted"):
        names("ours.child:Chidl")


def test_imports_that_go_round_in_a_circle_are_refused():
    with pytest.raises(ValueError, match="round in a circle"):
        names("round.py:B")


def test_a_file_that_is_no_python_is_refused_with_its_line():
    with pytest.raises(ValueError, match=r"broken\.py, line 1: is no Python"):
        names("broken.py:A")


def test_class_attributes_are_read_where_they_are_literals():
    odd = class_of(ImportPath.parse("made.py:Odd"))
    assert literal(odd, "options_schema") == {"type": "object"} and literal(odd, "typed") == {"a": [1]}
    assert literal(odd, "nothing") is None
    with pytest.raises(ValueError, match=r"made\.py, line \d+: computed is computed, expected a literal"):
        literal(odd, "computed")


@pytest.mark.parametrize("name", ["A", "b", "C", "d", "E"])
def test_a_name_is_bound_by_a_definition_an_assignment_or_an_import(tmp_path, name):
    (tmp_path / "bound.py").write_text("class A: ...\ndef b(): ...\nC = A\nimport d\nif A:\n    E = 1\nprint(F)\n")
    (tmp_path / "star.py").write_text("from bound import *\n")
    check_bound(ImportPath("bound.py", name))
    check_bound(ImportPath("star.py", name))
    with pytest.raises(ValueError, match=r"got 'bound\.py:F', expected a class or a function of .*: A, b"):
        check_bound(ImportPath("bound.py", "F"))


def test_the_modules_that_a_file_imports_are_found_unless_they_have_no_source(tmp_path):
    found = imported_sources(Source(tmp_path / "made.py"))
    assert [source.module for source in found] == ["ours"]
    found = imported_sources(Source(tmp_path / "ours/deep/inner.py", "ours.deep.inner"))
    assert [source.module for source in found] == ["ours", "ours.base", "ours.child"]


def test_methods_of_what_is_no_class_are_none(tmp_path):
    assert methods(Source(tmp_path / "made.py"), "make").names == frozenset()
