"""Files are written whole or not at all, on a full disk too."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cdae.computing import files

ROOT = Path(__file__).parents[1]


class MishapError(Exception):
    """Stands for whatever may happen while a file is written."""


def test_text_is_utf8_with_newlines(tmp_path):
    files.write_text(tmp_path / "deep" / "er" / "a.txt", "é = 1\n")
    assert (tmp_path / "deep" / "er" / "a.txt").read_bytes() == b"\xc3\xa9 = 1\n"


def test_json_comes_back_in_the_order_given(tmp_path):
    value = {"b": 1, "a": [1.5, None, "é"]}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value
    assert list(files.read_json(tmp_path / "a.json")) == ["b", "a"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_json_refuses_what_is_not_json_and_leaves_the_old_file(bad, tmp_path):
    files.write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "a.json", {"x": bad})
    assert files.read_json(tmp_path / "a.json") == 1


def test_npz_comes_back(tmp_path):
    files.write_npz(tmp_path / "a.npz", {"x": np.arange(3), "y": np.array(True)})
    with np.load(tmp_path / "a.npz") as loaded:
        assert sorted(loaded) == ["x", "y"] and loaded["x"].tolist() == [0, 1, 2]


def test_npz_of_the_same_arrays_has_the_same_bytes(tmp_path):
    for name in ("one.npz", "other.npz"):
        files.write_npz(tmp_path / name, {"x": np.arange(3)})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


@pytest.mark.parametrize("error", [MishapError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(error, tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), files.written_whole(target) as partial:
        partial.write_text("half of the n")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_of_a_new_file_leaves_nothing(tmp_path):
    with pytest.raises(MishapError), files.written_whole(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise MishapError
    assert list(tmp_path.iterdir()) == []


def test_the_target_is_not_touched_until_the_file_is_complete(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with files.written_whole(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old" and partial.parent == target.parent
    assert target.read_text() == "new"


FULL_DISK = """
import resource
import numpy, torch
from cdae import checkpoint
from cdae.computing import files
data = numpy.zeros(100_000)
model = torch.nn.utils.skip_init(torch.nn.Linear, 300, 300)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
writers = {
    "a.txt": lambda path: files.write_text(path, "x" * 100_000),
    "a.json": lambda path: files.write_json(path, list(range(50_000))),
    "a.npz": lambda path: files.write_npz(path, {"x": data}),
    "a.safetensors": lambda path: checkpoint.save(model, path),
}
for name, write in writers.items():
    try:
        write(name)
    except Exception as error:
        print(name, "failed:", error)
    else:
        print(name, "did not fail")
"""


def test_a_full_disk_leaves_the_old_files(tmp_path):
    """No file may grow beyond 50 kB in this process: every writer fails, and every old file is as it was."""
    names = ["a.json", "a.npz", "a.safetensors", "a.txt"]
    for name in names:
        (tmp_path / name).write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all("failed:" in line for line in lines), done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert {p.read_text() for p in tmp_path.iterdir()} == {"old"}
