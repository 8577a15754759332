"""What made a result is in its record, and results of other code or of another configuration are found stale."""

import copy
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from cdae.class_source import _tree
from cdae.computing.files import write_record
from workflow.grid import code_hash
from workflow.grid.cells import cells
from workflow.grid.own_code import own_code
from workflow.grid.provenance import Provenance, contents_sha256, stale
from workflow.grid.record import NOT_RUN
from workflow.tables.tabulation import refuse_foreign

SMOKE = yaml.safe_load((Path(__file__).parents[2] / "config/smoke.yaml").read_text(encoding="utf-8"))
AFTER_THE_FIGURES = ("figures/digits/judged_provenance.json", "report/provenance.json", "tables/provenance.json")


@pytest.fixture
def config(tmp_path):
    return {**copy.deepcopy(SMOKE), "results_dir": str(tmp_path / "results")}


def finished(config):
    """The records of everything that a run of this configuration makes."""
    wanted = Provenance(config).of_everything()
    for path, hashes in wanted.items():
        write_record(path, {"status": "ok", **hashes})
    return wanted


def names_of(paths, config):
    return sorted(Path(path).relative_to(config["results_dir"]).as_posix() for path in paths)


def test_a_finished_run_is_fresh_and_one_that_is_not_there_is_not_stale(config):
    assert stale(Provenance(config).of_everything()) == []
    assert stale(finished(config)) == []


def test_another_setting_makes_its_cells_stale_and_the_tables(config):
    finished(config)
    config["models"]["vae"]["latent_dim"] = 3
    found = names_of(stale(Provenance(config).of_everything()), config)
    stages = ("certificates", "estimates", "models")
    of_cells = [f"{s}/{d}/vae/0{'/training' * (s == 'models')}.json" for s in stages for d in ("digits", "mixture_2d")]
    of_figures = [f"figures/{d}/provenance.json" for d in ("digits", "mixture_2d")]
    assert found == sorted([*of_cells, *of_figures, *AFTER_THE_FIGURES])


def test_another_seed_makes_the_tables_stale_and_no_cell(config):
    finished(config)
    config["seeds"] = [0, 1]
    found = names_of(stale(Provenance(config).of_everything()), config)
    of_figures = [f"figures/{d}/provenance.json" for d in ("digits", "mixture_2d")]
    assert found == sorted([*of_figures, *AFTER_THE_FIGURES])


def test_other_code_makes_the_cells_stale_that_depend_on_it(config, monkeypatch):
    finished(config)
    real = code_hash._source
    edited = lambda module: real(module) + (b"#" if module == "baselines.vae" else b"")  # noqa: E731
    monkeypatch.setattr(code_hash, "_source", edited)
    code_hash.code_sha256.cache_clear()
    try:
        found = names_of(stale(Provenance(config).of_everything()), config)
    finally:
        code_hash.code_sha256.cache_clear()
    assert {name.split("/")[2] for name in found if "provenance" not in name} == {"vae"}


@pytest.mark.parametrize("damage", [lambda text: text[:-40], lambda text: text.replace('"ok"', '"OK"'), lambda _: ""])
def test_a_record_that_was_cut_short_or_altered_is_stale(config, damage):
    wanted = finished(config)
    path = Path(next(iter(wanted)))
    path.write_text(damage(path.read_text()))
    assert stale(wanted) == [str(path)]


def test_what_the_machine_could_not_do_is_tried_again(config):
    wanted = finished(config)
    path, hashes = next(iter(wanted.items()))
    write_record(path, {"status": NOT_RUN, **hashes})
    assert stale(wanted) == [path]
    refuse_foreign(wanted)  # the tables are made, and say so


def test_the_contents_of_a_users_file_decide_and_not_its_date(config, tmp_path):
    path = tmp_path / "mine.npz"
    config["datasets"] = {"mine": {"loader": "npz", "path": str(path)}}

    def hashes(values):
        np.savez(path, images=values)
        os.utime(path, (0, 0))
        contents_sha256.cache_clear()
        return Provenance(config).of_everything()

    first, same, other = hashes(np.arange(4)), hashes(np.arange(4)), hashes(np.arange(1, 5))
    assert first == same
    assert all(first[name] != other[name] for name in first)


def test_samples_of_a_user_count_in_their_own_cells_alone(config, tmp_path):
    path = tmp_path / "theirs.npz"
    config["models"]["theirs"] = {"kind": "samples", "path": str(path)}
    before = {}
    for values in (np.arange(4), np.arange(1, 5)):
        np.savez(path, samples=values)
        contents_sha256.cache_clear()
        after = Provenance(config).of_records()
        changed = {Path(name).parent.name for name in before if before[name] != after[name]}
        before = after
    assert changed == {"theirs"}


def test_folders_of_the_machine_change_no_hash_of_a_table(config):
    here, there = (
        Provenance(config).of_tables(),
        Provenance({**config, "results_dir": "b", "data_root": "/c"}).of_tables(),
    )
    assert here == there


def test_no_table_is_made_of_stale_records(config):
    wanted = finished(config)
    refuse_foreign(wanted)
    config["models"]["vae"]["latent_dim"] = 3
    with pytest.raises(ValueError, match=r"snakemake --forcerun .*vae/0\.json"):
        refuse_foreign(Provenance(config).of_records())


def test_every_cell_and_stage_has_a_record(config):
    wanted = Provenance(config).of_everything()
    n_cells, n_cascades, n_certified, n_pilots, n_judged = len(cells(config)), 6, 8, 2, 1 + 1
    assert len(wanted) == 2 + n_pilots + 2 * n_cells + n_cascades + n_certified + n_judged + 1 + 2 + 2


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("cdae.pilot", {"pilot", "models", "estimates", "snapshots", "certificates"}),
        ("cdae.optimal_schedule", {"models", "estimates", "snapshots", "certificates"}),
        ("cdae.schedules", {"models", "estimates", "snapshots", "certificates"}),
    ],
)
def test_code_that_chooses_levels_counts_in_the_cells_whose_levels_it_chooses(config, monkeypatch, module, stages):
    finished(config)
    real = code_hash._source
    monkeypatch.setattr(code_hash, "_source", lambda name: real(name) + (b"#" if name == module else b""))
    code_hash.code_sha256.cache_clear()
    try:
        found = names_of(stale(Provenance(config).of_everything()), config)
    finally:
        code_hash.code_sha256.cache_clear()
    parts = [name.split("/") for name in found if "provenance" not in name]
    assert {part[0] for part in parts} == stages
    assert {part[2] for part in parts if part[0] != "pilot"} == {"cdae-optimal-k2"}


MODEL = "class Mine:\n    def log_prob(self, x): ...\n"


def after_changes(config, *changes):
    """The models and the data sets whose records have other hashes after each change, as a new process finds them."""
    found, before = [], Provenance(config).of_everything()
    for change in changes:
        change()
        for cached in (contents_sha256, own_code, _tree):
            cached.cache_clear()
        after = Provenance(config).of_everything()
        changed = [Path(name) for name in before if before[name] != after[name] and "provenance" not in name]
        parts = [path.relative_to(config["results_dir"]).parts for path in changed]
        found.append({part[1].removesuffix(".json") if part[0] in ("data", "pilot") else part[2] for part in parts})
        before = after
    return found


def test_a_users_code_and_weights_count_in_their_own_cells_alone(config, tmp_path):
    file, weights = tmp_path / "mine.py", tmp_path / "w.pt"
    file.write_text(MODEL)
    weights.write_bytes(b"1")
    config["models"]["mine"] = {"kind": f"{file}:Mine", "weights": str(weights)}
    (edited, touched, retrained) = after_changes(
        config,
        lambda: file.write_text(MODEL + "# edited\n"),
        lambda: os.utime(file, (0, 0)),
        lambda: weights.write_bytes(b"2"),
    )
    assert edited == retrained == {"mine"} and touched == set()


def test_a_users_data_and_its_code_count_in_all_of_their_cells(config, tmp_path):
    file, folder = tmp_path / "mine.py", tmp_path / "folder"
    file.write_text("def load(): ...\n")
    folder.mkdir()
    config["datasets"] = {"own": {"loader": f"{file}:load"}, "many": {"loader": "images", "path": str(folder)}}
    edited, added, renamed = after_changes(
        config,
        lambda: file.write_text("def load(): ...\n# edited\n"),
        lambda: (folder / "a.png").write_bytes(b"1"),
        lambda: (folder / "a.png").rename(folder / "b.png"),
    )
    assert "own" in edited and "many" not in edited
    assert "many" in added and "own" not in added and added == renamed
