"""The job that certifies one cell: its numbers do not depend on interruptions, and its own failures are rows."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from workflow.scripts.parts import Parts

from baselines.registry import model_class
from cdae import checkpoint
from cdae.computing.files import read_json, write_json
from cdae.data import load_training_set, prepare
from cdae.datasets.registry import loader
from workflow.scripts import trained
from workflow.scripts.certify import Certification

CDAE = {
    "kind": "cdae", "n_levels": 2, "conditioned": False, "schedule": "geometric", "first_std": 0.25, "last_std": 4.0,
    "loss": "shrunk", "hidden_sizes": [8], "training": {},
}  # fmt: skip
VAE = {"kind": "vae", "latent_dim": 2, "hidden_sizes": [8], "training": {}}
PER_PIXEL = {"reconstruction": "per_pixel"}
VARIANTS = {
    "cdae": CDAE,
    "cdae-per-pixel-full": CDAE | PER_PIXEL | {"prior": "full"},
    "vae": VAE,
    "vae-per-pixel": VAE | PER_PIXEL,
}
SETTINGS = {
    "n_points": 60,
    "importance_weighted": {"n_importance_samples": 30, "n_points": 70},
    "all_pairs": {"n_draws": 3, "n_repeats": 4},
    "sequential": {"n_particles": 3, "n_repeats": 4},
    "annealing": {"n_distributions": 4, "n_leapfrog": 2, "n_chains": 2, "force_precision": "highest"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "mixture_2d.npz"
    prepare(loader("mixture_2d")(), "mixture_2d", path)
    return str(path)


def config(options):
    identity = {"base_seed": 1, "dataset": "mixture_2d", "model": "m", "family": "m", "seed": 0}
    return {**identity, "options": options, "certify": SETTINGS}


@pytest.fixture
def weights(data, tmp_path):
    def save(options):
        model = model_class(options["kind"]).build(
            options, load_training_set(data), generator=trained.generator(config(options), "initialisation")
        )
        checkpoint.save(model, tmp_path / "weights.safetensors")
        return tmp_path / "weights.safetensors"

    return save


def certified(options, data, weights, folder):
    certification = Certification(config(options), data, Parts(folder, "id"))
    certification.run(weights)
    return certification


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_every_estimator_of_a_model_has_a_row_with_both_sides(options, data, weights, tmp_path):
    done = certified(options, data, weights(options), tmp_path / "parts")
    names = [(row["estimator"], row["variant"]) for row in done.rows]
    weighted = [("importance_weighted", v) for v in ("paper", "widened", "renoising", "guided")]
    others = [("all_pairs", "paper"), ("sequential", "guided"), ("annealed", "guided")]
    vaes = [("importance_weighted", "encoder"), ("annealed", "prior")]
    assert names == (weighted + others if options["kind"] == "cdae" else vaes)
    for row in done.rows:
        assert row["status"] == "ok" and row["mean_nats"] >= row["bound_nats"]
        assert row["n_points"] == (70 if row["estimator"] == "importance_weighted" else 60)
        assert row["gap_nats"] == pytest.approx(row["simulated_upper_nats"] - row["simulated_lower_nats"])
        assert row["gap_nats"] > -3.0 * row["gap_standard_error_nats"]
        assert row["excess_nats"] < 5.0 * row["excess_standard_error_nats"]
    json.dumps(done.record(), allow_nan=False)


def test_an_interrupted_run_goes_on_to_the_same_numbers(data, weights, tmp_path, monkeypatch):
    path = weights(CDAE)
    whole = certified(CDAE, data, path, tmp_path / "whole")
    real, calls = Parts.get, []

    def interrupted(self, name, compute):
        calls.append(name)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return real(self, name, compute)

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "get", interrupted)
        with pytest.raises(KeyboardInterrupt):
            certified(CDAE, data, path, tmp_path / "resumed")
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "resumed").rglob("*.npz")}
    assert len(kept) == 11
    resumed = certified(CDAE, data, path, tmp_path / "resumed")
    assert resumed.rows == whole.rows and resumed.values.keys() == whole.values.keys()
    assert all(np.array_equal(whole.values[name], resumed.values[name]) for name in whole.values)
    assert all(file.stat().st_mtime_ns == then for file, then in kept.items())


def test_an_estimator_that_fails_is_a_row_and_the_others_stand(data, weights, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ArithmeticError("no")

    monkeypatch.setattr("cdae.estimators.sandwich.all_pairs.log_likelihood", broken)
    done = certified(CDAE, data, weights(CDAE), tmp_path / "parts")
    assert [row["reason"] for row in done.rows if row["status"] == "failed"] == ["no"]
    assert sum(row["status"] == "ok" for row in done.rows) == 6


def test_a_lower_bound_above_the_exact_value_is_a_failure(data, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "cdae.estimators.sandwich.draw_log_weights", lambda *a, **k: 5.0 + torch.zeros(len(a[2])).double()
    )
    done = certified(CDAE, data, weights(CDAE), tmp_path / "parts")
    failed = [row for row in done.rows if row["status"] == "failed"]
    assert len(failed) == 4 and all("above the exact value" in row["reason"] for row in failed)


def test_a_model_that_could_not_be_trained_has_one_failed_row(data, weights, tmp_path):
    write_json(tmp_path / "training.json", {"status": "failed", "reason": "training diverged"})
    arguments = {
        "config": json.dumps(config(VAE)), "hashes": json.dumps({"config_sha256": "a", "code_sha256": "b"}),
        "data": data, "weights": str(weights(VAE)), "training": str(tmp_path / "training.json"),
        "record": str(tmp_path / "record.json"), "values": str(tmp_path / "values.npz"),
    }  # fmt: skip
    flags = [part for name, value in arguments.items() for part in (f"--{name}", value)]
    subprocess.run([sys.executable, "-m", "workflow.scripts.certify", *flags], check=True)
    (row,) = read_json(tmp_path / "record.json")["rows"]
    assert (row["status"], row["reason"]) == ("failed", "training diverged")
