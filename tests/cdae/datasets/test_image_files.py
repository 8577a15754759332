"""MNIST-like files, small and made here: which are read, which are refused, and the download, from 127.0.0.1 only."""

import gzip
import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from cdae.datasets import images, torchvision_import
from cdae.datasets.registry import LOADERS, loader
from cdae.datasets.torchvision_import import torchvision_datasets

N_TRAIN_FILE, N_VALIDATION, N_TEST = 60, 10, 20


def idx_file(values):
    """The bytes of an IDX file of uint8 values, written from the format's description."""
    header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return header + values.astype(np.uint8).tobytes()


@pytest.fixture
def levels():
    rng = np.random.default_rng(0)
    return {"train": rng.integers(0, 256, (N_TRAIN_FILE, 28, 28)), "test": rng.integers(0, 256, (N_TEST, 28, 28))}


@pytest.fixture
def labels():
    return {"train": np.arange(N_TRAIN_FILE) % 10, "test": 9 - np.arange(N_TEST) % 10}


@pytest.fixture
def contents(levels, labels):
    return {
        images.TRAIN_IMAGES: idx_file(levels["train"]),
        images.TRAIN_LABELS: idx_file(labels["train"]),
        images.TEST_IMAGES: idx_file(levels["test"]),
        images.TEST_LABELS: idx_file(labels["test"]),
    }


@pytest.fixture(autouse=True)
def small_sources(contents, monkeypatch, tmp_path):
    """The data sets have the small files' sizes and checksums; no root is set, and the cache is an empty folder."""
    sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    for name, source in images.SOURCES.items():
        small = replace(source, sha256=sha256, n_train_file=N_TRAIN_FILE, n_test=N_TEST, n_validation=N_VALIDATION)
        monkeypatch.setitem(images.SOURCES, name, small)
    monkeypatch.delenv(images.ROOT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for cls in ("MNIST", "FashionMNIST"):  # nothing listens there: a test that downloads by accident fails at once
        monkeypatch.setattr(getattr(torchvision_datasets(), cls), "mirrors", ["http://127.0.0.1:9/"])


@pytest.fixture
def root(contents, tmp_path):
    for folder in ("MNIST", "FashionMNIST"):
        raw = tmp_path / "data" / folder / "raw"
        raw.mkdir(parents=True)
        for name, data in contents.items():
            (raw / name).write_bytes(data)
    return tmp_path / "data"


@pytest.fixture
def mirror(contents, monkeypatch, server):
    """A local mirror with the four archives, known to torchvision; the folder that it serves."""
    folder, url = server
    archives = {f"{name}.gz": gzip.compress(data) for name, data in contents.items()}
    for name, data in archives.items():
        (folder / name).write_bytes(data)
    mnist = torchvision_datasets().MNIST
    monkeypatch.setattr(mnist, "mirrors", [url])
    monkeypatch.setattr(mnist, "resources", [(name, hashlib.md5(data).hexdigest()) for name, data in archives.items()])
    return folder


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_splits_are_the_first_and_last_of_the_training_file_and_the_test_file(name, root, levels, labels):
    raw = loader(name)(data_root=str(root))
    raw.check(name)
    flat = {split: values.reshape(len(values), 784) for split, values in levels.items()}
    assert np.array_equal(raw.train, flat["train"][:-N_VALIDATION])
    assert np.array_equal(raw.validation, flat["train"][-N_VALIDATION:])
    assert np.array_equal(raw.test, flat["test"])
    cut = N_TRAIN_FILE - N_VALIDATION
    expected = (labels["train"][:cut], labels["train"][cut:], labels["test"])
    assert all(map(np.array_equal, raw.labels, expected))
    assert raw.train.dtype == np.uint8
    assert (raw.n_intensity_levels, raw.unit_interval, raw.image_shape) == (256, True, (28, 28))


def test_the_true_sources_split_50000_10000_10000():
    source = images.Source("MNIST", {})
    assert (source.n_train_file - source.n_validation, source.n_validation, source.n_test) == (50_000, 10_000, 10_000)
    assert list(source.sizes().values()) == [47_040_016, 60_008, 7_840_016, 10_008]


def test_every_source_has_a_loader():
    assert set(images.SOURCES) <= set(LOADERS)


def test_the_environment_gives_the_root_and_the_option_comes_first(root, monkeypatch, tmp_path):
    monkeypatch.setenv(images.ROOT_VARIABLE, str(root))
    assert len(images.load_mnist().train) == N_TRAIN_FILE - N_VALIDATION
    with pytest.raises(ValueError, match="elsewhere"):
        images.load_mnist(data_root=str(tmp_path / "elsewhere"))


def test_missing_files_are_named_with_their_place_and_the_remedy(root):
    missing = root / "MNIST" / "raw" / images.TRAIN_LABELS
    missing.unlink()
    for function in (images.load_mnist, partial(images.check_available, "mnist")):
        with pytest.raises(ValueError, match="gunzip") as caught:
            function(data_root=str(root))
        assert str(missing) in str(caught.value)
        assert images.TRAIN_IMAGES not in str(caught.value)
        assert images.ROOT_VARIABLE in str(caught.value)


def test_a_truncated_file_is_refused_by_name_without_being_read(root):
    path = root / "MNIST" / "raw" / images.TEST_IMAGES
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte: has 15,695 bytes, expected 15,696; delete"):
        images.check_available("mnist", str(root))


@pytest.mark.parametrize("name", [images.TRAIN_IMAGES, images.TRAIN_LABELS, images.TEST_IMAGES, images.TEST_LABELS])
def test_an_altered_file_is_refused_by_name(name, root):
    path = root / "MNIST" / "raw" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    images.check_available("mnist", str(root))  # its size is right
    with pytest.raises(ValueError, match=f"{name}: sha256 is .*, expected .*; delete the file"):
        images.load_mnist(str(root))


def test_other_images_in_the_files_of_an_old_torchvision_are_refused(root):
    processed = root / "MNIST" / "processed"
    processed.mkdir()
    for file in ("training.pt", "test.pt"):
        torch.save((torch.zeros(N_TRAIN_FILE, 28, 28, dtype=torch.uint8), torch.zeros(N_TRAIN_FILE)), processed / file)
    with pytest.raises(ValueError, match=r"processed: holds other images .*; delete"):
        images.load_mnist(str(root))


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="got 'minst', expected one of mnist, fashion_mnist"):
        images.check_available("minst")


def test_without_a_root_an_empty_cache_is_available_and_a_bad_one_is_not(root, tmp_path):
    images.check_available("mnist")
    (root / "MNIST").rename(tmp_path / "moved")
    images.cache_folder().mkdir(parents=True)
    (tmp_path / "moved").rename(images.cache_folder() / "MNIST")
    images.check_available("mnist")
    (images.cache_folder() / "MNIST" / "raw" / images.TEST_LABELS).write_bytes(b"")
    with pytest.raises(ValueError, match="has 0 bytes"):
        images.check_available("mnist")


def test_the_cache_is_in_the_home_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert images.cache_folder() == tmp_path / ".cache" / "cdae-benchmark"


def test_without_a_root_the_files_are_downloaded_once(mirror, levels):
    raw = images.load_mnist()
    assert np.array_equal(raw.test, levels["test"].reshape(N_TEST, 784))
    assert (images.cache_folder() / "MNIST" / "raw" / images.TRAIN_IMAGES).is_file()
    for archive in mirror.iterdir():
        archive.unlink()
    assert np.array_equal(images.load_mnist().train, raw.train)


def test_a_given_root_is_never_downloaded_into(mirror, tmp_path):
    with pytest.raises(ValueError, match="missing"):
        images.load_mnist(data_root=str(tmp_path / "empty"))
    assert not (tmp_path / "empty").exists()


def test_a_corrupt_download_is_refused_and_the_next_try_can_succeed(mirror):
    archive = mirror / f"{images.TRAIN_LABELS}.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-5])
    with pytest.raises(ValueError, match=rf"download into .* failed .*{archive.name}.*corrupted.*try again") as caught:
        images.load_mnist()
    assert images.ROOT_VARIABLE in str(caught.value)
    archive.write_bytes(whole)
    assert len(images.load_mnist().test) == N_TEST


def test_an_archive_that_torchvision_accepts_is_still_checked(mirror, monkeypatch, contents):
    name = f"{images.TEST_IMAGES}.gz"
    data = bytearray(contents[images.TEST_IMAGES])
    data[-1] ^= 1
    altered = gzip.compress(data)
    (mirror / name).write_bytes(altered)
    mnist = torchvision_datasets().MNIST
    md5 = hashlib.md5(altered).hexdigest()
    monkeypatch.setattr(mnist, "resources", [(n, md5 if n == name else m) for n, m in mnist.resources])
    with pytest.raises(ValueError, match=f"{images.TEST_IMAGES}: sha256"):
        images.load_mnist()


def test_a_mirror_that_does_not_answer_is_reported():
    with pytest.raises(ValueError, match=r"download into .* failed .*Connection refused"):
        images.load_mnist()


class RecordingLibrary:
    """Stands in for torch.library.Library, so that no operator is declared twice in this process."""

    def __init__(self, *args):
        self.args, self.signatures = args, []

    def define(self, signature):
        self.signatures.append(signature)


@pytest.fixture
def importing(monkeypatch):
    """Imports that give the listed outcomes one after another; returns the lists of outcomes and of libraries made."""
    outcomes, declared = [], []

    def import_module(name):
        assert name == "torchvision.datasets"
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(torchvision_import, "import_module", import_module)
    monkeypatch.setattr(torchvision_import, "_declared", declared)
    monkeypatch.setattr(torch.library, "Library", RecordingLibrary)
    return outcomes, declared


def test_a_native_import_declares_nothing(importing):
    outcomes, declared = importing
    outcomes.append(torch)
    assert torchvision_datasets() is torch
    assert declared == []


def test_after_a_failed_native_import_the_missing_operators_are_declared(importing):
    outcomes, declared = importing
    outcomes += [RuntimeError("operator torchvision::nms does not exist"), torch]
    assert torchvision_datasets() is torch
    (library,) = declared
    assert library.args == ("torchvision", "DEF")
    assert [signature.split("(")[0] for signature in library.signatures] == ["nms", "qnms"]


def test_other_failures_of_the_import_are_passed_on(importing):
    outcomes, declared = importing
    outcomes += [RuntimeError("something else")]
    with pytest.raises(RuntimeError, match="something else"):
        torchvision_datasets()
    assert declared == []


def test_the_installed_pair_of_torch_and_torchvision_works():
    assert {"MNIST", "FashionMNIST"} <= set(dir(torchvision_datasets()))
