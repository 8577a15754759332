"""USPS, Frey faces and CIFAR-10 in small files of their formats, made here: what is read, refused and downloaded."""

import bz2
import hashlib
import io
import os
import re
import tarfile
import warnings
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from cdae.datasets import cifar10, frey_faces, known_files, usps
from cdae.datasets.registry import AVAILABILITY, LOADERS, check_available, loader
from cdae.interfaces import InputWarning
from tests.helpers import mutated

MODULES = {"usps": usps, "frey_faces": frey_faces, "cifar10": cifar10}
REAL_ROOT = os.environ.get(known_files.ROOT_VARIABLE)
N_FRAMES = 40
RNG = np.random.default_rng(0)
THOUSANDTHS = RNG.integers(-1000, 1001, (37, 256))  # 30 digits to train with and 7 to test with
DIGITS = RNG.integers(0, 10, 37)
FRAMES = RNG.integers(0, 256, (N_FRAMES, 28, 20), dtype=np.uint8)
PHOTOGRAPHS = RNG.integers(0, 256, (26, 32, 32, 3), dtype=np.uint8)  # five batches of four, and six to test with
CLASSES = RNG.integers(0, 10, 26, dtype=np.uint8)
BATCHES = [slice(4 * i, 4 * i + 4) for i in range(5)] + [slice(20, 26)]


def text(part: slice) -> bytes:
    """LIBSVM's lines in bzip2: the class from 1 on, and numbered values."""
    lines = []
    for digit, values in zip(DIGITS[part], THOUSANDTHS[part], strict=True):
        lines.append(" ".join([str(digit + 1), *(f"{i + 1}:{value / 1000:g}" for i, value in enumerate(values))]))
    return bz2.compress("\n".join([*lines, ""]).encode())


def matlab(**arrays) -> bytes:
    file = io.BytesIO()
    savemat(file, arrays)
    return file.getvalue()


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def archive() -> bytes:
    """Records of a label, and all red, all green and all blue pixels of an image."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        for name, part in zip([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"], BATCHES, strict=True):
            records = b""
            for label, image in zip(CLASSES[part], PHOTOGRAPHS[part], strict=True):
                records += bytes([label]) + b"".join(image[:, :, color].tobytes() for color in range(3))
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(records)
            made.addfile(member, io.BytesIO(records))
    return file.getvalue()


def png(images: np.ndarray) -> bytes:
    """Images in two rows of tiles."""
    rows = [np.concatenate(list(row), axis=1) for row in np.split(images, 2)]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(rows, axis=0)).save(file, format="png")
    return file.getvalue()


def contents() -> dict[str, dict[str, list[bytes]]]:
    sheets = [png(PHOTOGRAPHS[part]) for part in BATCHES]
    return {
        "usps": {"text": [text(slice(30)), text(slice(30, 37))]},
        "frey_faces": {"mat": [matlab(ff=FRAMES.reshape(N_FRAMES, 560).T)], "npz": [npz(images=FRAMES)]},
        "cifar10": {
            "archive": [archive()],
            "sheets": [*sheets, npz(train=CLASSES[:20], test_first1000=CLASSES[20:])],
        },
    }


CONTENTS = contents()
CASES = [(name, copy) for name, copies in CONTENTS.items() for copy in copies]
CHECKED = [case for case in CASES if case != ("frey_faces", "mat")]


@pytest.fixture(autouse=True)
def small_copies(monkeypatch, tmp_path, server):
    """The data sets have the small files' sizes and checksums; no root is set, and the cache is an empty folder."""
    monkeypatch.setattr(usps, "N_VALIDATION", 5)
    for key, value in {"N_IMAGES": N_FRAMES, "N_VALIDATION": 5, "N_TEST": 8}.items():
        monkeypatch.setattr(frey_faces, key, value)
    monkeypatch.setattr(frey_faces, "PIXELS_SHA256", hashlib.sha256(FRAMES.tobytes()).hexdigest())
    monkeypatch.setattr(cifar10, "N_TEST", 6)
    for name, copies in CONTENTS.items():
        for copy, data in copies.items():
            files = MODULES[name].COPIES[copy]
            smaller = [small(file, bytes_, server[1]) for file, bytes_ in zip(files, data, strict=True)]
            monkeypatch.setitem(MODULES[name].COPIES, copy, smaller)
    monkeypatch.delenv(known_files.ROOT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def small(file: known_files.KnownFile, data: bytes, url: str) -> known_files.KnownFile:
    """The file with the checksums of these bytes, of the kinds that it has, behind one that is wrong."""
    kinds = [checksum.split(":")[0] for checksum in file.checksums]
    checksums = [f"{kind}:{hashlib.new(kind, data).hexdigest()}" for kind in kinds]
    wrong = ["md5:0"] if checksums else []
    return replace(file, checksums=(*wrong, *checksums), url=file.url and url + file.path.split("/")[1])


def written(name: str, copy: str, root) -> list:
    """The paths of a copy's files, written under a root."""
    paths = [root / file.path for file in MODULES[name].COPIES[copy]]
    for path, data in zip(paths, CONTENTS[name][copy], strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return paths


def served(name: str, folder) -> list:
    """The paths of the files of the copy that can be downloaded, as the server has them."""
    copy = next(iter(CONTENTS[name]))
    paths = [folder / file.path.split("/")[1] for file in MODULES[name].COPIES[copy]]
    for path, data in zip(paths, CONTENTS[name][copy], strict=True):
        path.write_bytes(data)
    return paths


def expected(name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """All images of a data set, flat, and their labels, in the order of its files."""
    if name == "usps":
        return (THOUSANDTHS + 1000) * 255 // 2000, DIGITS
    if name == "frey_faces":
        return FRAMES.reshape(N_FRAMES, 560), None
    return PHOTOGRAPHS.reshape(26, 3072), CLASSES


SIZES = {"usps": [25, 5, 7], "frey_faces": [27, 5, 8], "cifar10": [16, 4, 6]}


def splits(raw) -> list[np.ndarray]:
    return [raw.train, raw.validation, raw.test]


def positions(raw, name: str) -> list[list[int]]:
    """Where the images of every split stand in the files; each image occurs once."""
    images, labels = expected(name)
    known = {bytes(image.astype(np.uint8)): i for i, image in enumerate(images)}
    found = [[known[bytes(image)] for image in split] for split in splits(raw)]
    if labels is not None:
        assert all(np.array_equal(labels[i], of_split) for i, of_split in zip(found, raw.labels, strict=True))
    return found


@pytest.mark.parametrize(("name", "copy"), CASES)
def test_every_copy_holds_every_image_once_with_its_label(name, copy, tmp_path):
    written(name, copy, tmp_path)
    raw = loader(name)(data_root=str(tmp_path))
    raw.check(name)
    found = positions(raw, name)
    assert list(map(len, found)) == SIZES[name]
    assert sorted(i for split in found for i in split) == list(range(len(expected(name)[0])))
    assert raw.train.dtype == np.uint8 and (raw.n_intensity_levels, raw.unit_interval) == (256, True)
    assert raw.image_shape == {"usps": (16, 16), "frey_faces": (28, 20), "cifar10": (32, 32, 3)}[name]
    assert (raw.labels is None) == (name == "frey_faces")


def test_splits_are_those_of_the_files_where_these_have_some(tmp_path):
    for name in MODULES:
        written(name, next(iter(CONTENTS[name])), tmp_path)
    found = {name: positions(loader(name)(data_root=str(tmp_path)), name) for name in MODULES}
    assert found["cifar10"] == [list(range(16)), list(range(16, 20)), list(range(20, 26))]
    assert found["usps"][2] == list(range(30, 37))
    for name in ("usps", "frey_faces"):  # at random, but always the same
        assert found[name][0] != sorted(found[name][0])
        assert positions(loader(name)(data_root=str(tmp_path)), name) == found[name]


@pytest.mark.parametrize("name", ["frey_faces", "cifar10"])
def test_all_copies_of_a_data_set_are_the_same_data(name, tmp_path):
    raws = []
    for copy in CONTENTS[name]:
        written(name, copy, tmp_path / copy)
        raws.append(loader(name)(data_root=str(tmp_path / copy)))
    assert all(map(np.array_equal, splits(raws[0]), splits(raws[1])))


def test_levels_of_usps_are_those_of_whole_number_arithmetic():
    thousandths = np.arange(-1000, 1001)
    levels = usps.as_levels(np.array([float(f"{n / 1000:.3f}") for n in thousandths]))
    assert np.array_equal(levels, (thousandths + 1000) * 255 // 2000)
    assert (levels == 255).sum() == 1


def test_levels_of_usps_are_those_of_torchvision_but_for_its_rounding():
    values = np.arange(-1000, 1001) / 1000
    theirs = ((values.astype(np.float32) + 1) / 2 * 255).astype(np.uint8)
    assert values[usps.as_levels(values) != theirs].tolist() == [-0.6]


@pytest.mark.parametrize(("name", "copy"), CASES)
def test_a_missing_file_is_named_with_its_place_and_the_remedy(name, copy, tmp_path):
    paths = written(name, copy, tmp_path)
    paths[-1].unlink()
    for function in (lambda: loader(name)(data_root=str(tmp_path)), lambda: check_available(name, str(tmp_path))):
        with pytest.raises(ValueError, match=rf"^{name}: missing {tmp_path}/.* put (it|them) there") as caught:
            function()
        message = str(caught.value)
        assert str(paths[-1]) in message and known_files.ROOT_VARIABLE in message and "\n" not in message
        assert not any(f"missing {path}" in message for path in paths[:-1])


def test_of_many_files_those_that_are_there_are_not_called_missing(tmp_path):
    paths = written("cifar10", "sheets", tmp_path)
    paths[2].unlink()
    with pytest.raises(ValueError, match=rf"^cifar10: missing {paths[2]}; put it there, or .*tar\.gz, or set"):
        check_available("cifar10", str(tmp_path))


@pytest.mark.parametrize(("name", "copy"), CHECKED)
def test_an_altered_file_is_refused_by_name(name, copy, tmp_path):
    for path, data in zip(written(name, copy, tmp_path), CONTENTS[name][copy], strict=True):
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        check_available(name, str(tmp_path))  # nothing is read
        with pytest.raises(ValueError, match=rf"^{path}: md5 is \w+, expected 0, and .* is .*, expected .*; delete"):
            loader(name)(data_root=str(tmp_path))
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("ff", "got"),
    [
        (FRAMES.reshape(N_FRAMES, 560), r"uint8 \(40, 560\), expected uint8 \(560, 40\)"),
        (FRAMES.reshape(N_FRAMES, 560).T / 255, r"float64 \(560, 40\), expected uint8"),
        (None, "no array, expected uint8"),
    ],
)
def test_other_numbers_in_the_file_of_frey_faces_are_refused(ff, got, tmp_path):
    (path,) = written("frey_faces", "mat", tmp_path)
    path.write_bytes(matlab(gg=np.zeros(2)) if ff is None else matlab(ff=ff))
    with pytest.raises(ValueError, match=f"^{path}: ff: got {got}.*; delete the file"):
        frey_faces.load(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"nonsense", CONTENTS["frey_faces"]["mat"][0][:5_000]])
def test_a_damaged_file_of_frey_faces_is_refused_in_one_line(content, tmp_path):
    (path,) = written("frey_faces", "mat", tmp_path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{path}: ff: got .*; delete the file[^\n]*$"):
        frey_faces.load(str(tmp_path))


def test_other_frames_are_noted(tmp_path):
    (path,) = written("frey_faces", "mat", tmp_path)
    path.write_bytes(matlab(ff=FRAMES[::-1].reshape(N_FRAMES, 560).T))
    with pytest.warns(InputWarning, match="sha256 of the frames is .* of the known copy"):
        frey_faces.load(str(tmp_path))


def test_a_part_of_the_test_images_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "N_TEST", 7)
    written("cifar10", "sheets", tmp_path)
    with pytest.warns(InputWarning, match="^the test split is the first 6 of 7 test images"):
        cifar10.load(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new"), [(rb" 17:", b" 18:"), (rb" 256:\S+", b""), (rb" 1:", b" 1:0.5 1:"), (rb":", b"x")]
)
def test_lines_of_other_values_are_refused(old, new, tmp_path):
    path = tmp_path / "usps.bz2"
    path.write_bytes(bz2.compress(re.sub(old, new, bz2.decompress(text(slice(3))), count=1)))
    with pytest.raises(
        ValueError, match=r"usps\.bz2: got other lines, expected a class and the values 1 to 256 in each"
    ):
        usps.read(path)


@pytest.mark.parametrize("name", MODULES)
def test_without_a_root_the_files_are_downloaded_once(name, server):
    check_available(name, None)
    archives = served(name, server[0])
    first = loader(name)()
    folder = (known_files.cache_folder() / MODULES[name].COPIES[next(iter(CONTENTS[name]))][0].path).parent
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in archives)
    for path in archives:
        path.unlink()
    assert all(map(np.array_equal, splits(loader(name)()), splits(first)))


@pytest.mark.parametrize("name", ["usps", "cifar10"])
def test_a_corrupt_download_is_refused_and_the_next_try_can_succeed(name, server):
    *_, last = served(name, server[0])
    whole = last.read_bytes()
    last.write_bytes(whole[:-5])
    with pytest.raises(ValueError, match=rf"^{name}: the download into .* failed .*{last.name}.* try again") as caught:
        loader(name)()
    assert known_files.ROOT_VARIABLE in str(caught.value) and "\n" not in str(caught.value)
    assert not [path for path in known_files.cache_folder().rglob("*") if last.name in path.name]
    last.write_bytes(whole)
    assert list(map(len, splits(loader(name)()))) == SIZES[name]


def test_a_download_that_ends_too_early_is_refused_without_a_checksum(server, monkeypatch):
    (path,) = served("frey_faces", server[0])
    whole, send = len(path.read_bytes()), SimpleHTTPRequestHandler.send_header

    def announce_more(self, key, value):
        send(self, key, str(int(value) + 3) if key == "Content-Length" else value)

    monkeypatch.setattr(SimpleHTTPRequestHandler, "send_header", announce_more)
    with pytest.raises(ValueError, match=rf"failed .*got {whole:,} bytes, expected {whole + 3:,}"):
        frey_faces.load()
    assert not list(known_files.cache_folder().rglob("*.*"))


@pytest.mark.parametrize("name", MODULES)
def test_a_server_without_the_file_is_reported(name):
    with pytest.raises(ValueError, match=rf"^{name}: the download into .* failed .*404.* give <root> as data_root"):
        loader(name)()


@pytest.mark.parametrize("name", MODULES)
def test_a_given_root_is_never_downloaded_into(name, server, tmp_path):
    served(name, server[0])
    with pytest.raises(ValueError, match="missing"):
        loader(name)(data_root=str(tmp_path / "empty"))
    assert not (tmp_path / "empty").exists()


def test_the_environment_gives_the_root_and_the_option_comes_first(tmp_path, monkeypatch):
    written("usps", "text", tmp_path)
    monkeypatch.setenv(known_files.ROOT_VARIABLE, str(tmp_path))
    assert len(usps.load().test) == 7
    with pytest.raises(ValueError, match="elsewhere"):
        usps.load(data_root=str(tmp_path / "elsewhere"))


def test_every_loader_of_known_files_can_be_checked_before_anything_runs():
    assert set(MODULES) <= set(AVAILABILITY) <= set(LOADERS)


MUTANTS = {
    "channels as they are stored": (cifar10, "transpose(0, 2, 3, 1)", "transpose(0, 1, 2, 3)"),
    "columns before rows": (cifar10, "transpose(0, 2, 3, 1)", "transpose(0, 3, 2, 1)"),
    "tiles by rows of pixels": (cifar10, ".swapaxes(1, 2)", ""),
    "labels of the pixels": (cifar10, "rows[:, 0]", "rows[:, 1]"),
    "classes from one": (usps, "astype(np.int64) - 1", "astype(np.int64)"),
    "levels without the top": (usps, "HALF_RANGE = 127.5", "HALF_RANGE = 127.0"),
    "nearest levels": (usps, "np.floor((values + 1.0)", "np.rint((values + 1.0)"),
    "frames by rows": (frey_faces, "np.ascontiguousarray(frames.T)", "frames.reshape(-1, 560)"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_of_the_formats_are_seen(mutant, tmp_path):
    module, old, new = MUTANTS[mutant]
    for is_right, tried in ((True, module), (False, mutated(module, old, new))):
        vars(tried).update({key: getattr(module, key) for key in ("N_IMAGES", "PIXELS_SHA256") if key in vars(module)})
        assert agrees(tried, module, tmp_path) == is_right


def agrees(tried, module, tmp_path) -> bool:
    """Whether the functions that read every format give what the files hold."""
    if module is usps:
        images, labels = usps_read(tried, tmp_path)
        return np.array_equal(images, expected("usps")[0][:30]) and np.array_equal(labels, DIGITS[:30])
    if module is frey_faces:
        (path,) = written("frey_faces", "mat", tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            return np.array_equal(tried.read_mat(path), expected("frey_faces")[0])
    batches = tried.read_archive(*written("cifar10", "archive", tmp_path))
    batches += tried.read_sheets(written("cifar10", "sheets", tmp_path))
    return all(
        np.array_equal(images, PHOTOGRAPHS[part].reshape(-1, 3072)) and np.array_equal(labels, CLASSES[part])
        for part, (images, labels) in zip(BATCHES * 2, batches, strict=True)
    )


def usps_read(tried, tmp_path):
    path, _ = written("usps", "text", tmp_path)
    return tried.read(path)
