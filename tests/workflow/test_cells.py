"""The grid unfolds to the cells it says, and a cell depends on what it is made of and on nothing else."""

import pytest
import yaml

from tests.workflow.conftest import ROOT
from tests.workflow.test_check import change
from workflow.grid import cells as grid
from workflow.grid.provenance import Provenance


def test_default_grid_has_its_89_trained_cells():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    cells = grid.cells(config)
    trained = [cell for cell in cells if not cell.kind.startswith("control")]
    assert len(trained) == 89
    assert len({(cell.dataset, cell.model, cell.seed) for cell in cells}) == len(cells)


@pytest.mark.parametrize("job", [Provenance.of_training, Provenance.of_evaluation, Provenance.of_certification])
def test_a_cell_depends_on_its_own_model_and_not_on_another(config, job):
    cells = {cell.model: cell for cell in grid.cells(config) if cell.dataset == "digits"}
    changed = change(config, "models.vae.latent_dim", 3)
    before, after = Provenance(config), Provenance(changed)
    assert job(before, cells["vae"])["config_sha256"] != job(after, cells["vae"])["config_sha256"]
    assert job(before, cells["cdae-k3"]) == job(after, cells["cdae-k3"])
    assert grid.training_config(config, cells["cdae-k1"])["options"]["n_levels"] == 1


def test_certification_does_not_depend_on_cheap_estimators_nor_on_sizes_of_other_models(config):
    cells = {cell.model: cell for cell in grid.cells(config) if cell.dataset == "digits"}
    sizes = {name: grid.certification_config(config, cells[name])["certify"] for name in cells}
    assert sizes["cdae-k3"]["n_points"] == 12 and sizes["cdae-k1"]["n_points"] == sizes["vae"]["n_points"] == 10
    assert [sizes[name]["annealing"]["n_distributions"] for name in ("cdae-k3", "vae")] == [6, 5]
    own = change(config, "certify.overrides", {"cdae-k1": {"rank": 7, "n_rounds": 3}})
    annealing = grid.certification_config(own, cells["cdae-k1"])["certify"]["annealing"]
    assert annealing == {**config["certify"]["annealing"], "rank": 7, "n_rounds": 3}
    for path, value in [("estimators.lower_bound.n_draws", 7), ("certify.overrides", {"cdae-k1": {"n_points": 11}})]:
        changed = change(config, path, value)
        assert grid.certification_config(config, cells["vae"]) == grid.certification_config(changed, cells["vae"])


def test_certified_are_cascades_and_vaes_of_the_seeds_named(config):
    config = change(config, "seeds", [0, 1])
    names = {(cell.kind, cell.seed) for cell in grid.cells(config) if grid.certified(config, cell)}
    assert names == {("cdae", 0), ("vae", 0)}
    config["certify"]["datasets"] = ["digits"]
    assert {cell.dataset for cell in grid.cells(config) if grid.certified(config, cell)} == {"digits"}
    whole = {cell.model: grid.certification_config(config, cell) for cell in grid.cells(config)}
    config["certify"]["models"] = ["cdae-k3"]
    (chosen,) = (cell for cell in grid.cells(config) if grid.certified(config, cell))
    assert (
        chosen.model == "cdae-k3"
        and grid.certification_config(config, chosen)["certify"] == whole["cdae-k3"]["certify"]
    )
    del config["certify"]
    assert not any(grid.certified(config, cell) for cell in grid.cells(config))


def test_the_hash_does_not_depend_on_the_order_of_keys(config):
    cell = grid.cells(config)[0]
    turned = dict(reversed(config.items()))
    assert Provenance(config).of_evaluation(cell) == Provenance(turned).of_evaluation(cell)


def test_the_device_is_part_of_what_a_cell_depends_on(config):
    cell = grid.cells(config)[0]
    plain, on_gpu = (grid.training_config(c, cell) for c in (config, {**config, "device": "cuda"}))
    assert on_gpu == {**plain, "device": "cuda"}


def test_a_models_own_seeds_replace_those_for_all_and_are_no_part_of_its_options(config):
    config["models"]["gaussian"]["seeds"] = [5]
    of_gaussian = [cell for cell in grid.cells(config) if cell.model == "gaussian"]
    assert [cell.seed for cell in of_gaussian] == [5, 5]
    assert "seeds" not in grid.training_config(config, of_gaussian[0])["options"]


def test_models_may_name_their_data_sets_and_data_sets_the_replicates_that_run_on_them(config):
    config |= {"seeds": [0, 1]}
    config["models"]["gaussian"] |= {"datasets": ["digits"], "seeds": [1, 5]}
    config["datasets"]["digits"]["seeds"] = [1]
    found = {(cell.dataset, cell.model, cell.seed) for cell in grid.cells(config) if cell.family in ("gaussian", "vae")}
    assert found == {
        ("digits", "vae", 1),
        ("digits", "gaussian", 1),
        ("mixture_2d", "vae", 0),
        ("mixture_2d", "vae", 1),
    }
    cell = next(cell for cell in grid.cells(config) if cell.model == "gaussian")
    assert "datasets" not in grid.training_config(config, cell)["options"]
    assert grid.dataset_options(config, "digits") == {}
    without = {**config, "datasets": {name: {"loader": name} for name in config["datasets"]}}
    assert Provenance(without).of_training(cell) == Provenance(config).of_training(cell)


def test_cells_whose_levels_a_pilot_chooses_depend_on_it_and_no_others(config):
    cells = {cell.model: cell for cell in grid.cells(config) if cell.dataset == "digits"}
    changed = change(config, "pilot.n_grid", 13)
    for job in (Provenance.of_training, Provenance.of_evaluation, Provenance.of_snapshots, Provenance.of_certification):
        moved = {
            name for name, cell in cells.items() if job(Provenance(config), cell) != job(Provenance(changed), cell)
        }
        assert moved == {"cdae-optimal-k2"}
    assert Provenance(config).of_pilot("digits") != Provenance(changed).of_pilot("digits")
    assert grid.pilots(config) == ["digits", "mixture_2d"]
    assert grid.pilots(change(config, "models.cdae-optimal.schedule", [0.3, 1.2])) == []


def test_the_pilot_does_not_depend_on_the_models_that_it_chooses_levels_for(config):
    for path, value in [("models.cdae-optimal.n_levels", [3]), ("models.cdae-optimal.last_std", 2.0), ("seeds", [1])]:
        changed = change(config, path, value)
        assert Provenance(config).of_pilot("digits") == Provenance(changed).of_pilot("digits")
    other = change(config, "base_seed", 2)
    assert Provenance(config).of_pilot("digits") != Provenance(other).of_pilot("digits")


def test_a_models_own_data_sets_replace_all_and_are_no_part_of_its_options(config):
    changed = change(config, "models.cdae-optimal.datasets", ["digits"])
    found = [cell for cell in grid.cells(changed) if cell.family == "cdae-optimal"]
    assert [cell.dataset for cell in found] == ["digits"] == grid.pilots(changed)
    assert grid.training_config(changed, found[0]) == grid.training_config(config, found[0])
    assert len(grid.cells(changed)) == len(grid.cells(config)) - 1


def test_only_loaders_of_downloaded_files_are_told_where_to_look(config):
    config |= {"data_root": "somewhere", "datasets": {**config["datasets"], "mine": {"loader": "mnist"}}}
    assert grid.dataset_options(config, "digits") == {}
    assert grid.dataset_options(config, "mine") == {"data_root": "somewhere"}


def test_snapshots_are_those_of_the_cells_model(config):
    found = {cell.model: grid.snapshots(config, cell) for cell in grid.cells(config)}
    assert found == {
        "cdae-k1": [10],
        "cdae-k3": [10],
        "cdae-optimal-k2": [10],
        "dae-walkback": [],
        "vae": [],
        "gaussian": [],
    }


def test_a_cells_path_names_its_data_set_its_model_and_its_seed(config):
    assert grid.cells(config)[1].path("results/estimates", ".json") == "results/estimates/digits/cdae-k3/0.json"
