"""The job that certifies one cell: its numbers do not depend on interruptions, and its own failures are rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cdae import checkpoint
from cdae.computing.files import write_record
from cdae.data import load_evaluation_set, load_training_set
from workflow.jobs import certification as module
from workflow.jobs.cell import CellJob
from workflow.jobs.certification import Certification
from workflow.jobs.parts import Parts
from workflow.jobs.trials import Trials
from workflow.tables.cells import read_certified

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
    "n_simulated": 60,
    "importance_weighted": {"n_importance_samples": 30, "n_points": 70},
    "all_pairs": {"n_draws": 3, "n_repeats": 4},
    "sequential": {"n_particles": 3, "n_repeats": 4},
    "annealing": {"n_distributions": 4, "n_chains": 2, "force_precision": "highest"},
}


@pytest.fixture(autouse=True)
def short_fit(monkeypatch):
    """A bound holds under any inference model, also under one that is hardly fitted."""
    monkeypatch.setattr("workflow.jobs.trials.GUIDED_UPDATES", 20)


@pytest.fixture
def data(mixture_2d):
    return mixture_2d


def cell(options) -> CellJob:
    identity = {"base_seed": 1, "dataset": "mixture_2d", "model": "m", "family": "m", "seed": 0}
    return CellJob({**identity, "options": options, "certify": SETTINGS})


@pytest.fixture
def weights(data, tmp_path):
    def save(options):
        checkpoint.save(cell(options).build(load_training_set(data)), tmp_path / "weights.safetensors")
        return tmp_path / "weights.safetensors"

    return save


def certified(options, data, weights, folder):
    certification = Certification(cell(options), data, Parts(folder, "id"))
    certification.run(weights)
    return certification


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_every_estimator_of_a_model_has_a_row_with_both_sides(options, data, weights, tmp_path):
    done = certified(options, data, weights(options), tmp_path / "parts")
    names = [(row.estimator, row.variant) for row in done.rows]
    weighted = [("importance_weighted", v) for v in ("paper", "widened", "renoising", "guided")]
    others = [("all_pairs", "paper"), ("sequential", "guided"), ("annealed", "fitted")]
    vaes = [("importance_weighted", "encoder"), ("annealed", "encoder")]
    assert names == (weighted + others if options["kind"] == "cdae" else vaes)
    for row in done.rows:
        assert row.status == "ok" and row.mean_nats >= row.bound_nats
        assert row.n_points == (70 if row.estimator == "importance_weighted" else 60) and row.n_simulated == 60
        assert row.n_distributions == (4 if row.estimator == "annealed" else None)
        assert row.gap_nats == pytest.approx(row.simulated_upper_nats - row.simulated_lower_nats)
        assert row.gap_nats > -3.0 * row.gap_standard_error_nats
        assert row.excess_nats < 5.0 * row.excess_standard_error_nats
    json.dumps(done.record().to_json(), allow_nan=False)


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
    assert [row.reason for row in done.rows if row.status == "failed"] == ["no"]
    assert sum(row.status == "ok" for row in done.rows) == 6


def test_a_lower_bound_above_the_exact_value_is_a_failure(data, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "cdae.estimators.sandwich.draw_log_weights", lambda *a, **k: 5.0 + torch.zeros(len(a[2])).double()
    )
    done = certified(CDAE, data, weights(CDAE), tmp_path / "parts")
    failed = [row for row in done.rows if row.status == "failed"]
    assert len(failed) == 4 and all("above the exact value" in row.reason for row in failed)


def run_with(training, data, weights, folder):
    """What the door calls, after a training that left this record; the certified cell as the tables read it."""
    write_record(folder / "training.json", training)
    hashes = {"config_sha256": "a", "code_sha256": "b"}
    outputs = folder / "record.json", folder / "record.npz"
    module.run(cell(VAE).config, hashes, data, weights, folder / "training.json", *outputs)
    return read_certified(folder / "record.json")


def test_a_model_that_could_not_be_trained_has_one_failed_row(data, weights, tmp_path):
    read = run_with({"status": "failed", "reason": "training diverged"}, data, weights(VAE), tmp_path)
    (row,) = read.record.rows
    assert (row.status, row.reason) == ("failed", "training diverged") and read.values == {}


def test_a_certification_is_read_by_the_tables_as_it_was_made(data, weights, tmp_path):
    read = run_with({"status": "ok"}, data, weights(VAE), tmp_path)
    made = certified(VAE, data, weights(VAE), tmp_path / "parts")
    assert read.record == made.record(config_sha256="a", code_sha256="b")
    assert read.values.keys() == made.values.keys() and "annealed/encoder/indices" in read.values
    assert all(np.array_equal(read.values[name], made.values[name]) for name in made.values)
    assert not (tmp_path / "record.parts").exists()


def test_a_cascade_in_one_dimension_has_an_exact_row_too(data, tmp_path):
    """Its trials are read off, and none is run."""
    plane = load_evaluation_set(data)
    model = cell(CDAE).build(plane.training)
    of = Trials(cell(CDAE), plane, Parts(tmp_path, "plane"))
    assert "exact" not in {trial.name for trial in of.of(model)}
    line = one_dimensional(plane)
    model = cell(CDAE).build(line.training)
    names = [(trial.name, trial.variant) for trial in Trials(cell(CDAE), line, Parts(tmp_path, "line")).of(model)]
    assert names[-1] == ("exact", "quadrature") and len(names) == 8


def test_every_trial_of_a_cascade_knows_whether_its_weights_have_finite_variance(data, tmp_path):
    plane = load_evaluation_set(data)
    model = cell(CDAE).build(plane.training)
    model.reconstruction_std.fill_(0.1)
    trials = list(Trials(cell(CDAE), plane, Parts(tmp_path, "id")).of(model))
    ratios = {trial.variant: trial.largest_variance_ratio for trial in trials if trial.name == "importance_weighted"}
    assert set(ratios) == {"paper", "widened", "renoising", "guided"} and all(r > 0.0 for r in ratios.values())
    assert all(trial.largest_variance_ratio is None for trial in trials if trial.name != "importance_weighted")


def one_dimensional(data):
    """The first coordinate of a data set alone."""
    training = replace(data.training, values=data.training.values[:, :1])
    cut = {name: getattr(data, name)[:, :1] for name in ("examples", "pixels", "validation_pixels")}
    return replace(data, **cut, training=training)
