"""The configuration: every mistake is refused in one clear line, and the grid unfolds to the cells it says."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml

from baselines.registry import MODELS
from workflow.scripts import grid

CONFIGS = sorted(Path(__file__).parents[1].glob("config/*.yaml"))


@pytest.fixture
def config(tmp_path):
    """The smoke configuration, with a results folder that can be made."""
    loaded = yaml.safe_load((Path(__file__).parents[1] / "config/smoke.yaml").read_text())
    return {**loaded, "results_dir": str(tmp_path / "results")}


def change(config, path, value):
    """A copy of the configuration with the entry at a dotted path replaced, or removed where value is None."""
    changed = copy.deepcopy(config)
    *parents, last = path.split(".")
    entry = changed
    for key in parents:
        entry = entry[int(key)] if isinstance(entry, list) else entry[key]
    if value is None:
        del entry[last]
    else:
        entry[last] = value
    return changed


def test_shipped_configurations_are_valid_and_own_their_results_folder():
    loaded = [yaml.safe_load(path.read_text()) for path in CONFIGS]
    for config in loaded:
        grid.check(config)
    folders = [config["results_dir"] for config in loaded]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("models.cdae.learning_rat", 1.0, ["models.cdae", "'learning_rat'", "known keys"]),
        ("models.cdae.n_level", [1], ["'n_level'", "did you mean 'n_levels'"]),
        ("models.cdae.training.learning_rte", 0.1, ["models.cdae.training", "did you mean 'learning_rate'"]),
        ("base_seed", None, ["missing key 'base_seed'", "add it"]),
        ("models.cdae.last_std", None, ["models.cdae", "missing key 'last_std'"]),
        ("models.cdae.training.learning_rate", "1e-3", ["learning_rate", "the text '1e-3'", "write 0.001"]),
        ("datasets.digits.loader", "digit", ["datasets.digits.loader", "'digit'", "did you mean 'digits'"]),
        ("models.vae.kind", "vea", ["models.vae.kind", "'vea'", "did you mean 'vae'"]),
        ("device", "gpu", ["device", "'gpu' is not one of"]),
        ("estimators.lower_bond", {}, ["unknown key 'lower_bond'", "did you mean 'lower_bound'"]),
        ("models.cdae.n_levels", [0], ["models.cdae.n_levels.0", "0 is less than the minimum of 1"]),
        ("models.cdae.last_std", 0.1, ["models.cdae.last_std", "got 0.1", "levels must increase"]),
        ("models.cdae.first_std", -0.5, ["models.cdae.first_std", "-0.5"]),
        ("models.dae-walkback.corruption_std", -1.0, ["models.dae-walkback.corruption_std", "-1.0"]),
        ("models.cdae.loss", "shrink", ["models.cdae.loss", "'shrink'", "'shrunk'"]),
        ("models.cdae.reconstruction", "perpixel", ["models.cdae.reconstruction", "'perpixel'", "'per_pixel'"]),
        ("models.cdae.prior", "ful", ["models.cdae.prior", "'ful'", "'full'"]),
        ("models.vae.reconstruction", "perpixel", ["models.vae.reconstruction", "'perpixel'", "'per_pixel'"]),
        ("seeds", [], ["seeds", "[]"]),
        ("certify.overrides", {"cdae-k4": {}}, ["certify.overrides", "'cdae-k4'", "did you mean 'cdae-k3'"]),
        ("models.cdae-markov", {"kind": "control-training-samples"}, ["models.cdae-markov", "choose another"]),
        ("certify.datasets", ["digit"], ["certify.datasets", "'digit'", "did you mean 'digits'"]),
        ("certify.annealing.n_distribution", 5, ["certify.annealing", "did you mean 'n_distributions'"]),
        ("datasets.digits", {"loader": "npz", "path": "nowhere.npz"}, ["'nowhere.npz'", "expected an existing"]),
        ("datasets.digits", {"loader": "digits", "allow_discrete": True}, ["datasets.digits.allow_discrete", "npz"]),
        ("datasets.digits", {"loader": "digits", "path": "x.npz"}, ["datasets.digits.path", "'digits'", "remove it"]),
        ("datasets.digits", {"loader": "npz", "allow_discrete": "yes"}, ["datasets.digits.allow_discrete", "'yes'"]),
        ("results_dir", "/dev/null/results", ["results_dir", "/dev/null", "not a folder"]),
    ],
)
def test_a_mistake_is_refused_in_one_line(config, path, value, expected):
    with pytest.raises(ValueError) as error:
        grid.check(change(config, path, value))
    message = str(error.value)
    assert "\n" not in message
    for part in expected:
        assert part in message


def test_every_model_kind_has_a_schema():
    schema = yaml.safe_load(grid.SCHEMA.read_text())
    assert set(schema["$defs"]["kinds"]) == set(MODELS)


def test_default_grid_has_its_81_trained_cells():
    config = yaml.safe_load((Path(__file__).parents[1] / "config/config.yaml").read_text())
    cells = grid.cells(config)
    trained = [cell for cell in cells if not cell.kind.startswith("control")]
    assert len(trained) == 81
    assert len({(cell.dataset, cell.model, cell.seed) for cell in cells}) == len(cells)


@pytest.mark.parametrize("job", [grid.evaluation_config, grid.certification_config])
def test_a_cell_depends_on_its_own_model_and_not_on_another(config, job):
    cells = {cell.model: cell for cell in grid.cells(config) if cell.dataset == "digits"}
    changed = change(config, "models.vae.latent_dim", 3)
    assert grid.config_sha256(config, cells["vae"], job) != grid.config_sha256(changed, cells["vae"], job)
    assert grid.config_sha256(config, cells["cdae-k3"], job) == grid.config_sha256(changed, cells["cdae-k3"], job)
    assert grid.training_config(config, cells["cdae-k1"])["options"]["n_levels"] == 1


def test_certification_does_not_depend_on_cheap_estimators_nor_on_sizes_of_other_models(config):
    cells = {cell.model: cell for cell in grid.cells(config) if cell.dataset == "digits"}
    sizes = {name: grid.certification_config(config, cells[name])["certify"] for name in cells}
    assert sizes["cdae-k3"]["n_points"] == 12 and sizes["cdae-k1"]["n_points"] == sizes["vae"]["n_points"] == 10
    assert [sizes[name]["annealing"]["n_distributions"] for name in ("cdae-k3", "vae")] == [6, 5]
    for path, value in [("estimators.lower_bound.n_draws", 7), ("certify.overrides", {"cdae-k1": {"n_points": 11}})]:
        changed = change(config, path, value)
        assert grid.certification_config(config, cells["vae"]) == grid.certification_config(changed, cells["vae"])


def test_annealing_sizes_are_those_of_the_certified_cells(config):
    sizes = grid.annealing_sizes(config)
    assert sizes["digits", "cdae", 3, 0] == 6 and sizes["digits", "vae", None, 0] == 5
    assert len(sizes) == sum(grid.certified(config, cell) for cell in grid.cells(config))


def test_certified_are_cascades_and_vaes_of_the_seeds_named(config):
    config = change(config, "seeds", [0, 1])
    names = {(cell.kind, cell.seed) for cell in grid.cells(config) if grid.certified(config, cell)}
    assert names == {("cdae", 0), ("vae", 0)}
    config["certify"]["datasets"] = ["digits"]
    assert {cell.dataset for cell in grid.cells(config) if grid.certified(config, cell)} == {"digits"}
    del config["certify"]
    assert not any(grid.certified(config, cell) for cell in grid.cells(config))


def test_the_hash_does_not_depend_on_the_order_of_keys(config):
    cell = grid.cells(config)[0]
    turned = dict(reversed(config.items()))
    hashes = [grid.config_sha256(c, cell, grid.evaluation_config) for c in (config, turned)]
    assert hashes[0] == hashes[1]


def test_npz_path_is_accepted_where_the_file_exists(config, tmp_path):
    np.savez(tmp_path / "mine.npz", images=np.zeros((100, 4), np.uint8))
    grid.check(change(config, "datasets.digits", {"loader": "npz", "path": str(tmp_path / "mine.npz")}))


def test_the_device_is_part_of_what_a_cell_depends_on(config, monkeypatch):
    cell = grid.cells(config)[0]
    plain, on_gpu = (grid.training_config(c, cell) for c in (config, {**config, "device": "cuda"}))
    assert on_gpu == {**plain, "device": "cuda"}
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no NVIDIA GPU here; write auto or cpu"):
        grid.check({**config, "device": "cuda"})
    grid.check({**config, "device": "auto"})
