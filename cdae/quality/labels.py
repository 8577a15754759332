"""The labels of a prepared data set, which lie in its file beside the examples. No generative model reads them."""

from pathlib import Path
from zipfile import ZipFile

import torch
from torch import Tensor

from cdae.computing.arrays import read_npz
from cdae.data import SPLITS


def load_labels(path: str | Path) -> dict[str, Tensor]:
    """Read the classes (n,) of the examples of every split, by its name.

    Raises:
        ValueError: if the data set has no labels, or a test example has a class that no training example has.
    """
    names = [f"{split}_labels" for split in SPLITS]
    with ZipFile(path) as archive:
        if not {f"{name}.npy" for name in names} <= set(archive.namelist()):
            raise ValueError(f"{Path(path).stem}: has no labels, expected a class for every example; give it labels")
    arrays = read_npz(path, *names)
    labels = {split: torch.from_numpy(arrays[name]) for split, name in zip(SPLITS, names, strict=True)}
    unseen = sorted(set(labels["test"].tolist()) - set(labels["train"].tolist()))
    if unseen:
        raise ValueError(
            f"{Path(path).stem}: no training example has the labels {unseen[:5]} of test examples, expected every "
            "class in the training split; correct the labels"
        )
    return labels
