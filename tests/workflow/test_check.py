"""The check of a configuration: every mistake is refused in one clear line, and the schema describes every key."""

import copy

import numpy as np
import pytest
import yaml

from baselines.registry import MODELS
from tests.workflow.conftest import ROOT
from workflow.grid.check import checked
from workflow.grid.schema import definition_of_kind, schema

CONFIGS = sorted(ROOT.glob("config/*.yaml"))
CASCADE = {
    "kind": "cdae", "n_levels": [3], "denoiser": "blind", "schedule": "geometric", "first_std": 0.25, "last_std": 4.0,
    "loss": "shrunk", "hidden_sizes": [4],
    "training": {"n_updates": 2, "batch_size": 4, "learning_rate": 0.01, "matmul_precision": "highest"},
}  # fmt: skip
VAE = {"kind": "vae", "latent_dim": 2, "hidden_sizes": [4], "training": CASCADE["training"]}


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
        checked(config)
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
        ("device", "gpu", ["device", "got 'gpu', expected one of 'auto', 'cpu', 'cuda'"]),
        ("estimators.lower_bond", {}, ["unknown key 'lower_bond'", "did you mean 'lower_bound'"]),
        ("models.cdae.n_levels", [0], ["models.cdae.n_levels.0", "got 0, expected at least 1"]),
        ("models.vae.datasets", ["digit"], ["models.vae.datasets", "'digit'", "did you mean 'digits'"]),
        ("models.vae.datasets", [], ["models.vae.datasets", "at least 1 entries"]),
        ("models.vae.datasets", ["digits", "digits"], ["models.vae.datasets", "every entry once"]),
        ("models.cdae.schedule", "optimum", ["models.cdae.schedule", "'optimum'", "did you mean 'optimal'"]),
        ("models.cdae.schedule", 3, ["models.cdae.schedule", "got 3, expected text or a list"]),
        ("models.cdae.schedule", "optimal", ["models.cdae.first_std", "schedule: optimal", "remove it"]),
        ("models.cdae.schedule", [0.3, 1.2], ["models.cdae.first_std", "a list of levels", "remove it"]),
        ("models.cdae-optimal.schedule", "linear", ["models.cdae-optimal", "missing key 'first_std' with schedule"]),
        ("models.cdae-optimal.schedule", [1.2, 0.3], ["models.cdae-optimal.schedule", "[1.2, 0.3]", "increase"]),
        ("models.cdae-optimal.schedule", [0.3, 0.3], ["models.cdae-optimal.schedule", "[0.3, 0.3]", "increase"]),
        ("models.cdae-optimal.schedule", [-0.3, 1.2], ["models.cdae-optimal.schedule.0", "above 0"]),
        ("models.cdae-optimal.schedule", [], ["models.cdae-optimal.schedule", "at least 1 entries"]),
        ("models.cdae-optimal.schedule", [0.3], ["models.cdae-optimal.n_levels", "got [2], expected [1]"]),
        ("models.cdae-optimal.n_levels", [13], ["models.cdae-optimal.n_levels", "got 13", "pilot.n_grid = 12"]),
        ("models.cdae-optimal.last_std", 5.0, ["models.cdae-optimal.last_std", "got 5.0, expected 0.1 to 4.0"]),
        ("models.cdae-optimal.first_std", 0.5, ["models.cdae-optimal.first_std", "schedule: optimal", "remove it"]),
        ("pilot", None, ["models.cdae-optimal.schedule", "'optimal'", "add the key 'pilot'"]),
        ("pilot.last_std", 0.1, ["pilot.last_std", "got 0.1", "levels must increase"]),
        ("pilot.n_grid", 1, ["pilot.n_grid", "got 1, expected at least 2"]),
        ("pilot.n_grids", 9, ["pilot", "'n_grids'", "did you mean 'n_grid'"]),
        ("pilot.training.snapshots", [5], ["pilot.training.snapshots", "remove it"]),
        ("models.cdae.last_std", 0.1, ["models.cdae.last_std", "got 0.1", "levels must increase"]),
        ("models.cdae.first_std", -0.5, ["models.cdae.first_std", "-0.5"]),
        ("models.dae-walkback.corruption_std", -1.0, ["models.dae-walkback.corruption_std", "-1.0"]),
        ("models.cdae.loss", "shrink", ["models.cdae.loss", "'shrink'", "'shrunk'"]),
        ("models.cdae.reconstruction", "perpixel", ["models.cdae.reconstruction", "'perpixel'", "'per_pixel'"]),
        (
            "models.cdae",
            {**CASCADE, "variances": "learned", "last_step": "robust"},
            ["models.cdae.variances", "last_step: robust", "remove one"],
        ),
        ("models.cdae.last_step", "robst", ["models.cdae.last_step", "'robst'", "'robust'"]),
        ("models.cdae.datasets", ["digit"], ["models.cdae.datasets", "'digit'", "did you mean 'digits'"]),
        ("datasets.digits.seeds", [7], ["datasets.digits: got no replicate", "remove it"]),
        ("models.cdae.seeds", [], ["models.cdae.seeds", "[]"]),
        ("models.cdae.prior", "ful", ["models.cdae.prior", "'ful'", "'full'"]),
        ("models.vae.reconstruction", "perpixel", ["models.vae.reconstruction", "'perpixel'", "'per_pixel'"]),
        (
            "models.vae",
            {**VAE, "reconstruction": "per_pixel", "n_importance_samples": 5},
            ["models.vae.n_importance_samples: got 5", "per_pixel", "remove one"],
        ),
        ("models.vae.n_importance_samples", 0, ["models.vae.n_importance_samples", "got 0, expected at least 1"]),
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
        ("results_dir", "results/reference/default", ["results_dir", "lies in the project's results/reference"]),
        ("results_dir", "results", ["results_dir", "is, holds or lies in"]),
        ("results_dir", str(ROOT), ["results_dir", "choose a folder of its own"]),
        ("results_dir", "/", ["results_dir", "choose a folder of its own"]),
        ("results_dir", "cdae", ["results_dir", "the project's cdae"]),
        ("results_dir", ".git/x", ["results_dir", "the project's .git"]),
        ("results_dir", "-x", ["results_dir", "'-x'", "begins with no -"]),
        ("results_dir", "a{b}", ["results_dir", "'a{b}'"]),
        ("results_dir", "x" * 300, ["results_dir", "at most 200 characters"]),
        ("models.cdae.training.n_updates", "1e3", ["n_updates", "the text '1e3'", "write 1000"]),
        ("models.cdae.training.n_updates", 10.5, ["n_updates", "got 10.5", "a whole number"]),
        ("models.cdae.training.learning_rate", float("inf"), ["learning_rate", "got inf", "a finite number"]),
        ("models.cdae.training.learning_rate", float("nan"), ["learning_rate", "got nan", "a finite number"]),
        ("models.cdae.n_levels", [10**9], ["models.cdae.n_levels.0", "at most 1000"]),
        ("models.cdae.n_levels", [1, 1], ["models.cdae.n_levels", "every entry once"]),
        ("models.cdae.training.snapshots", [20], ["training.snapshots", "got 20", "less than n_updates = 20"]),
        ("certify.models", ["gaussian"], ["certify.models", "'gaussian'"]),
        ("certify.seeds", [3], ["certify.seeds", "got 3", "0"]),
        ("certify.overrides", {"gaussian": {}}, ["certify.overrides", "'gaussian'"]),
        ("models.cdae-k3", {"kind": "control-training-samples"}, ["models.cdae-k3", "cdae with n_levels 3", "rename"]),
        ("models.VAE", {"kind": "control-training-samples"}, ["models.VAE", "models.vae", "capital letters"]),
        ("datasets.DIGITS", {"loader": "digits"}, ["'DIGITS'", "'digits'", "capital letters"]),
        ("models." + "x" * 101, {"kind": "control-training-samples"}, ["models", "at most 100 characters"]),
    ],
)
def test_a_mistake_is_refused_in_one_line(config, path, value, expected):
    with pytest.raises(ValueError) as error:
        checked(change(config, path, value))
    message = str(error.value)
    assert "\n" not in message
    for part in expected:
        assert part in message


@pytest.mark.parametrize("key", [True, 7, None, 1.5])
def test_a_key_that_is_no_text_is_refused_at_any_level(config, key):
    for changed in ({**config, key: 1}, change(config, "models", {**config["models"], key: {"kind": "vae"}})):
        with pytest.raises(ValueError, match=f"got the key {key}, expected text"):
            checked(changed)


def test_a_data_set_without_a_model_is_refused(config):
    config["models"] = {"vae": {**config["models"]["vae"], "datasets": ["digits"]}}
    with pytest.raises(ValueError, match=r"datasets\.mixture_2d: got no replicate of it by seeds and datasets"):
        checked(config)


def test_schedules_that_are_chosen_or_given_are_accepted(config):
    for path, value in [("last_std", 4.0), ("last_std", 0.1), ("schedule", [0.3, 1.2]), ("n_levels", [1, 12])]:
        checked(change(config, f"models.cdae-optimal.{path}", value))
    without = change(config, "models.cdae-optimal", None)
    checked(change(without, "pilot", None))
    checked(without)


def test_levels_of_a_diffusion_are_given_or_spaced_but_chosen_for_no_bound_of_its(config):
    options = {key: value for key, value in config["models"]["cdae"].items() if key != "denoiser"}
    with_one = change(config, "models.diffusion", {**options, "kind": "diffusion"})
    checked(with_one)
    given = {key: value for key, value in options.items() if not key.endswith("_std")}
    given |= {"kind": "diffusion", "schedule": [0.3, 1.2], "n_levels": [2]}
    checked(change(config, "models.diffusion", given))
    wrong = {"schedule": ("optimal", "got 'optimal', expected one of geometric, linear"), "last_std": (0.1, "increase")}
    for key, (value, message) in wrong.items():
        with pytest.raises(ValueError, match=rf"models\.diffusion\.{key}.*{message}"):
            checked(change(with_one, f"models.diffusion.{key}", value))


def test_whole_floats_become_integers_and_other_floats_stay(config):
    config = change(config, "models.cdae.training.n_updates", 30.0)
    config = change(config, "models.cdae.n_levels", [1.0, 3.0])
    found = checked(change(config, "seeds", [0.0]))
    assert repr(found["models"]["cdae"]["training"]["n_updates"]) == "30"
    assert repr(found["models"]["cdae"]["n_levels"]) == "[1, 3]" and repr(found["seeds"]) == "[0]"
    assert repr(found["models"]["cdae"]["last_std"]) == "4.0"


def test_a_certification_that_no_model_can_have_is_refused(config):
    config["models"] = {"gaussian": config["models"]["gaussian"]}
    del config["certify"]["overrides"]
    with pytest.raises(ValueError, match="certify: none of the models can simulate"):
        checked(config)


def test_a_leading_tilde_is_the_users_home_wherever_a_path_stands(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "mine.npz", images=np.zeros(3), samples=np.zeros(3))
    config |= {"results_dir": "~/out/", "data_root": "~/data"}
    config["datasets"]["mine"] = {"loader": "npz", "path": "~/mine.npz"}
    config["models"]["theirs"] = {"kind": "samples", "path": "~/mine.npz"}
    found = checked(config)
    assert (found["results_dir"], found["data_root"]) == (f"{tmp_path}/out", f"{tmp_path}/data")
    assert found["datasets"]["mine"]["path"] == found["models"]["theirs"]["path"] == f"{tmp_path}/mine.npz"


def test_a_link_to_nowhere_is_no_results_folder(config, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"results_dir: .*link is a link to .*nowhere, which does not exist"):
        checked({**config, "results_dir": str(tmp_path / "link")})


def test_a_link_into_the_references_is_refused(config, tmp_path):
    (tmp_path / "link").symlink_to(ROOT / "results" / "reference")
    with pytest.raises(ValueError, match="the project's results/reference"):
        checked({**config, "results_dir": str(tmp_path / "link" / "default")})


def test_npz_path_is_accepted_where_the_file_exists(config, tmp_path):
    np.savez(tmp_path / "mine.npz", images=np.zeros((100, 4), np.uint8))
    without = {key: value for key, value in config.items() if key != "quality"}
    checked(change(without, "datasets.digits", {"loader": "npz", "path": str(tmp_path / "mine.npz")}))


def test_a_gpu_that_is_not_there_is_refused(config, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no NVIDIA GPU here; write auto or cpu"):
        checked({**config, "device": "cuda"})
    checked({**config, "device": "auto"})


def test_every_model_kind_has_a_schema():
    assert set(schema()["$defs"]["kinds"]) == set(MODELS)


def properties(node, where=""):
    """Every property of the schema, by its dotted path."""
    if isinstance(node, dict):
        for name, value in node.get("properties", {}).items():
            yield f"{where}.{name}", value
        for name, value in node.items():
            yield from properties(value, f"{where}.{name}")


def undescribed(whole):
    """Properties without a description, of their own or of the definition that they refer to."""
    for path, value in properties(whole):
        referred = value["$ref"].rpartition("/")[2] if "$ref" in value else None
        if not value.get("description") and not whole["$defs"].get(referred, {}).get("description"):
            yield path


def test_every_property_of_the_schema_has_a_description():
    assert len(list(properties(schema()))) > 70
    assert list(undescribed(schema())) == []
    changed = change(schema(), "properties.certify.properties.all_pairs.properties.n_draws.description", None)
    assert list(undescribed(changed)) == [".properties.certify.properties.all_pairs.n_draws"]


def test_every_object_of_the_schema_refuses_unknown_keys():
    def objects(node, where):
        if isinstance(node, dict):
            if "properties" in node:
                yield where, node
            for name, value in node.items():
                yield from objects(value, f"{where}.{name}")

    open_to_all = [where for where, node in objects(schema(), "") if node.get("additionalProperties") is not False]
    of_kinds = [f".$defs.kinds.{kind}" for kind in MODELS]  # keys of their own, which definition_of_kind completes
    assert sorted(open_to_all) == sorted([".properties.models.additionalProperties", *of_kinds])
    assert all(definition_of_kind(kind)["additionalProperties"] is False for kind in MODELS)


def test_the_network_of_a_cascade_is_one_of_two(config):
    for network in ("mlp", "unet"):
        checked(change(config, "models.cdae.network", network))
    with pytest.raises(ValueError, match=r"models\.cdae\.network: got 'cnn', expected .*mlp.*unet"):
        checked(change(config, "models.cdae.network", "cnn"))
