"""Files are written whole or not at all, on a full disk too; and none that was changed since is read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cdae import checkpoint
from cdae.computing import arrays, files
from cdae.computing.files import DamagedFileError
from tests.helpers import mutated

ROOT = Path(__file__).parents[3]


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
    arrays.write_npz(tmp_path / "a.npz", {"x": np.arange(3), "y": np.array(True)})
    with np.load(tmp_path / "a.npz") as loaded:
        assert sorted(loaded) == ["x", "y"] and loaded["x"].tolist() == [0, 1, 2]


def test_npz_of_the_same_arrays_has_the_same_bytes(tmp_path):
    for name in ("one.npz", "other.npz"):
        arrays.write_npz(tmp_path / name, {"x": np.arange(3)})
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
from cdae.computing import arrays, files
data = numpy.zeros(100_000)
model = torch.nn.utils.skip_init(torch.nn.Linear, 300, 300)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
writers = {
    "a.txt": lambda path: files.write_text(path, "x" * 100_000),
    "a.json": lambda path: files.write_json(path, list(range(50_000))),
    "a.npz": lambda path: arrays.write_npz(path, {"x": data}),
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


RECORD = {"status": "ok", "loss": [1.5, -0.0, 1e-300], "seeds": {3: None}, "name": "é"}
ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "y/z": np.array(True), "none": np.zeros((0, 2), np.float32)}
SNAPSHOTS = {3: {"w": torch.arange(4.0), "b": torch.tensor(2), "h": torch.tensor([1.5], dtype=torch.bfloat16)}}


def same_arrays(read: dict) -> bool:
    return list(read) == list(ARRAYS) and all(
        np.array_equal(read[name], array) and read[name].dtype == array.dtype for name, array in ARRAYS.items()
    )


def same_snapshots(read: dict) -> bool:
    return list(read) == [3] and all(
        torch.equal(read[3][name], tensor) and read[3][name].dtype == tensor.dtype
        for name, tensor in SNAPSHOTS[3].items()
    )


CHECKED = {
    "record": (
        lambda path: files.write_record(path, RECORD),
        files.read_record,
        lambda read: read == {**RECORD, "seeds": {"3": None}} and list(read) == list(RECORD),
    ),
    "npz": (lambda path: arrays.write_npz(path, ARRAYS), arrays.read_npz, same_arrays),
    "safetensors": (
        lambda path: checkpoint.save_snapshots(SNAPSHOTS, path),
        checkpoint.load_snapshots,
        same_snapshots,
    ),
}


@pytest.mark.parametrize("kind", CHECKED)
def test_checked_files_come_back_and_have_the_same_bytes_each_time(kind, tmp_path):
    write, read, is_same = CHECKED[kind]
    write(tmp_path / "one")
    write(tmp_path / "other")
    assert is_same(read(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("kind", CHECKED)
def test_no_changed_byte_and_no_cut_gives_another_content(kind, tmp_path):
    """Every byte of a file changed in two ways, and the file cut after every byte: refused by name in one line."""
    write, read, is_same = CHECKED[kind]
    write(tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    changed = [whole[:i] + bytes([whole[i] ^ flip]) + whole[i + 1 :] for i in range(len(whole)) for flip in (1, 0xFF)]
    n_refused = 0
    for content in [*changed, *(whole[:n] for n in range(len(whole)))]:
        (tmp_path / "file").write_bytes(content)
        try:
            assert is_same(read(tmp_path / "file"))  # a changed date in an archive changes no content
        except DamagedFileError as error:
            n_refused += 1
            assert str(error).startswith(f"{tmp_path / 'file'}: ") and "\n" not in str(error)
            assert str(error).endswith("; delete the file and run again")
    assert n_refused > 0.8 * (len(changed) + len(whole))


def test_a_damaged_file_is_a_failure_of_the_machine_and_one_line_for_the_user():
    assert issubclass(DamagedFileError, OSError) and issubclass(DamagedFileError, ValueError)


@pytest.mark.parametrize("kind", CHECKED)
def test_a_missing_file_is_not_called_damaged(kind, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        CHECKED[kind][1](tmp_path / "absent")


def test_an_edited_record_is_refused(tmp_path):
    files.write_record(tmp_path / "a.json", {"value": 1.25})
    assert files.read_json(tmp_path / "a.json")["sha256"] == files.record_sha256({"value": 1.25})
    (tmp_path / "a.json").write_text((tmp_path / "a.json").read_text().replace("1.25", "1.26"))
    with pytest.raises(DamagedFileError, match=r"a\.json: record: sha256 is \w{64}, expected \w{64}; delete the file"):
        files.read_record(tmp_path / "a.json")


@pytest.mark.parametrize("value", [[1, 2], "words", {"status": "ok"}])
def test_json_without_a_sha256_is_no_record(value, tmp_path):
    files.write_json(tmp_path / "a.json", value)
    with pytest.raises(DamagedFileError, match=r"a\.json: .*(expected a JSON object|got no sha256)"):
        files.read_record(tmp_path / "a.json")


def test_an_npz_file_made_elsewhere_has_no_sha256(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    with pytest.raises(DamagedFileError, match=r"a\.npz: array 'x': got no sha256 in the file"):
        arrays.read_npz(tmp_path / "a.npz")


def test_one_array_is_read_and_checked_without_the_others(tmp_path):
    arrays.write_npz(tmp_path / "a.npz", ARRAYS | {"z": np.arange(40)})
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content.replace(np.array([38, 39]).tobytes(), np.array([38, 40]).tobytes()))
    assert list(arrays.read_npz(tmp_path / "a.npz", "x")) == ["x"]
    with pytest.raises(DamagedFileError, match=r"Bad CRC-32 for file 'z\.npy'"):
        arrays.read_npz(tmp_path / "a.npz", "z")
    with pytest.raises(DamagedFileError, match=r"no item named 'absent\.npy'"):
        arrays.read_npz(tmp_path / "a.npz", "absent")


def test_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        arrays.write_npz(tmp_path / "a.npz", {"x": np.array([None])})
    assert list(tmp_path.iterdir()) == []


SHA256_MUTANTS = {
    "without the name": ('f"{name} {array.dtype.str} {array.shape}\\n"', 'f"{array.dtype.str} {array.shape}\\n"'),
    "without the type": ("{name} {array.dtype.str} {array.shape}", "{name} {array.shape}"),
    "without the shape": ("{name} {array.dtype.str} {array.shape}", "{name} {array.dtype.str}"),
    "without the values": ("digest.update(np.ascontiguousarray", "(np.ascontiguousarray"),
}


@pytest.mark.parametrize("name", [*SHA256_MUTANTS, None])
def test_the_sha256_of_an_array_is_of_its_name_type_shape_and_values(name):
    sha256 = (mutated(arrays, *SHA256_MUTANTS[name]) if name else arrays).array_sha256
    x = np.arange(6)
    variants = [("x", x), ("y", x), ("x", x.view(np.uint64)), ("x", x.reshape(2, 3)), ("x", x + 1)]
    assert (len({sha256(*variant) for variant in variants}) == 5) == (name is None)
    assert sha256("x", np.asfortranarray(x.reshape(2, 3))) == sha256("x", x.reshape(2, 3))
