"""Code by its import path is found without running it, and run once."""

import sys

import pytest

from cdae.import_path import ImportPath, is_import_path, module_file


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    """A folder to work in, from which modules are imported for one test."""
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(folder, name, text):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize("text", ["a:B", "a.b_c:D", "x/y z/my-file.py:B", "~/m.py:B", "m.py:B", "/a:b/m.py:B"])
def test_import_paths_are_read_as_they_are_written(text):
    path = ImportPath.parse(text)
    assert str(path) == text and is_import_path(text) and path.is_file == (".py:" in text)


@pytest.mark.parametrize("text", ["a", "a:", ":B", "a.b:C.d", "a-b:C", "x/y:B", "a.py", "a:1B", "a..b:C", "a:B\n"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"expected .*my_module:MyModel"):
        ImportPath.parse(text)


def test_a_module_is_found_in_the_working_folder_and_among_the_installed_ones_and_not_run(working_folder):
    write(working_folder, "mine/__init__.py", "raise SystemExit")
    write(working_folder, "mine/part.py", "raise SystemExit")
    assert ImportPath.parse("mine.part:A").file() == working_folder / "mine/part.py"
    assert module_file("mine").name == "__init__.py" and module_file("numpy.linalg").parts[-3:-1] == ("numpy", "linalg")
    assert module_file("mine.other") is None and module_file("no_such_module") is None
    assert module_file("sys") is None and module_file("__main__.x") is None


def test_a_file_is_relative_to_the_working_folder_or_to_the_home(working_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(working_folder / "home"))
    write(working_folder, "home/m.py", "A = 1")
    write(working_folder, "m.py", "A = 2")
    assert ImportPath.parse("~/m.py:A").load() == 1 and ImportPath.parse("m.py:A").load() == 2


def test_a_file_is_run_once_with_its_folder_searched_for_what_it_imports(working_folder):
    write(working_folder, "there/beside.py", "B = object()")
    write(working_folder, "there/json.py", "import beside\nA, B = object(), beside.B")
    path = ImportPath.parse("there/json.py:A")
    assert path.load() is path.load()
    assert ImportPath.parse("there/json.py:B").load() is sys.modules["beside"].B
    assert sys.modules["json"].__file__ != str(working_folder / "there/json.py")


def test_a_module_of_the_working_folder_is_imported(working_folder):
    write(working_folder, "mine_of_the_folder/part.py", "A = 3")
    assert ImportPath.parse("mine_of_the_folder.part:A").load() == 3


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("import no_such_module", "A", "importing it raised ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('a\\nb')", "A", "importing it raised SystemExit: a b; expected"),
        ("A = (", "A", "SyntaxError"),
        ("open('no such file')", "A", "FileNotFoundError"),
        ("B = 1", "A", "the module has no 'A'"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_line(working_folder, text, name, expected):
    write(working_folder, "m.py", text)
    with pytest.raises(ValueError) as caught:
        ImportPath.parse(f"m.py:{name}").load()
    assert expected in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "expected"), [("no.such:A", "none of its name"), ("none.py:A", "an existing file")])
def test_what_is_not_there_is_refused(text, expected):
    with pytest.raises(ValueError, match=expected):
        ImportPath.parse(text).file()
