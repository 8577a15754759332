"""The job that certifies one cell: its numbers do not depend on interruptions, and its own failures are rows."""

import json
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch

from cdae import checkpoint
from cdae.certificates import measured
from cdae.certificates.trials import Trials
from cdae.certificates.work import Work
from cdae.computing.files import write_record
from cdae.data import load_evaluation_set, load_training_set
from cdae.estimators.gaussian_base import CascadeFit
from cdae.estimators.sandwich import ImportanceSampling
from cdae.estimators.two_sided import BothSides
from cdae.statistics import beside_upper
from workflow.jobs import certification as module
from workflow.jobs.cell import CellJob
from workflow.jobs.certification import Certification
from workflow.jobs.parts import Parts
from workflow.tables.cells import read_certified

CDAE = {
    "kind": "cdae", "n_levels": 2, "denoiser": "blind", "schedule": "geometric", "first_std": 0.25, "last_std": 4.0,
    "loss": "shrunk", "hidden_sizes": [8], "training": {},
}  # fmt: skip
DIFFUSION = {name: value for name, value in CDAE.items() if name != "denoiser"} | {"kind": "diffusion"}
VAE = {"kind": "vae", "latent_dim": 2, "hidden_sizes": [8], "training": {}}
PER_PIXEL = {"reconstruction": "per_pixel"}
VARIANTS = {
    "cdae": CDAE,
    "cdae-per-pixel-full": CDAE | PER_PIXEL | {"prior": "full"},
    "diffusion": DIFFUSION,
    "diffusion-per-pixel": DIFFUSION | PER_PIXEL,
    "vae": VAE,
    "vae-per-pixel": VAE | PER_PIXEL,
}
SETTINGS = {
    "n_points": 60,
    "n_simulated": 60,
    "check": {"n_points": 25, "n_repeats": 4},
    "importance_weighted": {"n_importance_samples": 30, "n_points": 70},
    "all_pairs": {"n_draws": 3, "n_repeats": 4},
    "sequential": {"n_particles": 3, "n_repeats": 4},
    "annealing": {"n_distributions": 4, "n_chains": 2, "force_precision": "highest"},
}


@pytest.fixture(autouse=True)
def short_fit(monkeypatch):
    """A bound holds under any inference model, also under one that is hardly fitted."""
    monkeypatch.setattr("cdae.certificates.trials.GUIDED_UPDATES", 20)


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


def trials_of(cell, data) -> Trials:
    return Trials(Work(settings=cell.config["certify"], generator=cell.generator), data.training)


def certified(options, data, weights, folder):
    certification = Certification(cell(options), data, Parts(folder, "id"))
    certification.run(weights)
    return certification


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_every_estimator_of_a_model_has_a_row_with_both_sides(options, data, weights, tmp_path):
    done = certified(options, data, weights(options), tmp_path / "parts")
    names = [(row.estimator, row.variant) for row in done.rows]
    weighted = [("importance_weighted", v) for v in ("paper", "widened", "renoising", "guided", "prior")]
    others = [("all_pairs", "paper"), ("sequential", "guided"), ("annealed", "fitted")]
    vaes = [("importance_weighted", "encoder"), ("importance_weighted", "prior"), ("annealed", "encoder")]
    chains = [("importance_weighted", "prior"), ("annealed", "fitted"), ("importance_weighted", "forward process")]
    assert names == {"cdae": weighted + others, "diffusion": chains, "vae": vaes}[options["kind"]]
    for row in done.rows:
        assert row.status == "ok" and row.mean_nats >= row.bound_nats
        assert row.n_points == (70 if row.estimator == "importance_weighted" else 60) and row.n_simulated == 60
        assert row.n_distributions == (4 if row.estimator == "annealed" else None)
        assert row.gap_nats == pytest.approx(row.simulated_upper_nats - row.simulated_lower_nats)
        assert row.gap_nats > -3.0 * row.gap_standard_error_nats
        assert row.excess_nats < 5.0 * row.excess_standard_error_nats
    json.dumps(done.record().to_json(), allow_nan=False)


def test_the_jobs_numbers_are_the_librarys_with_the_same_random_numbers(data, weights, tmp_path):
    done, job = certified(VAE, data, weights(VAE), tmp_path / "parts"), cell(VAE)
    read, work = load_evaluation_set(data), Work(settings=SETTINGS, generator=job.generator)
    model = job.build(read.training).requires_grad_(False)
    simulated, choose = measured.simulate(model, work), partial(read.random_subset, seed=job.subset_seed())
    for row, trial in zip(done.rows, Trials(work, read.training).of(model), strict=True):
        found = measured.measure(trial, read.examples, choose, simulated, work)
        fields = found.fields(trial, read.log_density[found.indices])
        assert (row.estimator, row.variant) == (trial.name, trial.variant)
        assert {name: getattr(row, name) for name in fields} == fields
        kept = {name: values.numpy() for name, values in found.per_example().items()}
        assert all(np.array_equal(done.values[f"{row.key}/{name}"], kept[name]) for name in kept) and len(kept) == 7


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
    assert sum(row.status == "ok" for row in done.rows) == 7


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


def test_a_cascade_in_one_dimension_has_an_exact_row_too(data):
    """Its trials are read off, and none is run."""
    plane = load_evaluation_set(data)
    model = cell(CDAE).build(plane.training)
    of = trials_of(cell(CDAE), plane)
    assert "exact" not in {trial.name for trial in of.of(model)}
    line = one_dimensional(plane)
    model = cell(CDAE).build(line.training)
    names = [(trial.name, trial.variant) for trial in trials_of(cell(CDAE), line).of(model)]
    assert names[-1] == ("exact", "quadrature") and len(names) == 9


def test_the_base_has_the_rank_and_the_rounds_that_are_asked_for(data):
    cascade = cell(CDAE)
    read = load_evaluation_set(data)
    model = cascade.build(read.training)
    for sizes in ({}, {"rank": 7, "n_rounds": 3}):
        settings = {**SETTINGS, "annealing": {**SETTINGS["annealing"], **sizes}}
        trials = Trials(Work(settings=settings, generator=cascade.generator), read.training)
        (annealed,) = (trial for trial in trials.of(model) if trial.name == "annealed")
        (fit,) = annealed.make.args
        assert fit == CascadeFit(model, force_precision="highest", **sizes)


@pytest.mark.parametrize("is_bounded", [True, False])
def test_trials_know_the_variance_ratio_where_the_denoiser_is_bounded(data, is_bounded):
    """With an unbounded denoiser weights can have infinite variance, whatever the ratio."""
    plane = load_evaluation_set(data)
    plane = replace(plane, training=replace(plane.training, unit_interval=is_bounded))
    model = cell(CDAE).build(plane.training)
    model.reconstruction_std.fill_(0.1)
    trials = list(trials_of(cell(CDAE), plane).of(model))
    inference_models = ("paper", "widened", "renoising", "guided")
    known = {trial.variant: trial.largest_variance_ratio for trial in trials if trial.variant in inference_models}
    weighted = {t.variant: t.largest_variance_ratio for t in trials if t.name == "importance_weighted"}
    assert all((weighted[name] is not None and weighted[name] > 0.0) is is_bounded for name in inference_models)
    assert weighted["prior"] is None and set(known) == set(inference_models)
    assert all(trial.largest_variance_ratio is None for trial in trials if trial.name != "importance_weighted")


@pytest.mark.parametrize("options", [CDAE, VAE], ids=["cdae", "vae"])
def test_every_estimate_is_repeated_on_some_of_its_own_points(options, data, weights, tmp_path):
    done = certified(options, data, weights(options), tmp_path / "parts")
    for row in done.rows:
        repeats, indices = done.values[f"{row.key}/check"], done.values[f"{row.key}/check_indices"]
        assert repeats.shape == (4, 25) and (row.n_repeats, row.n_checked) == (4, 25)
        of_all = done.values[f"{row.key}/indices"]
        assert np.isin(indices, of_all).all() and indices.max() > np.sort(of_all)[25]  # random ones, not the first
        adds = np.log(np.exp(repeats).mean(0)) - repeats.mean(0)
        assert row.repeats_add_nats == pytest.approx(adds.mean()) and adds.mean() > 0.0
        assert row.repeats_add_standard_error_nats == pytest.approx(adds.std(ddof=1) / 5.0)
        values = done.values[f"{row.key}/values"][np.searchsorted(of_all, indices)]
        runs = np.vstack([values, repeats])
        assert all((a != b).all() for a, b in combinations(runs, 2))  # every one with random numbers of its own


def test_an_estimator_without_randomness_needs_no_repeats(data, tmp_path, monkeypatch):
    line = replace(one_dimensional(load_evaluation_set(data)), log_density=None)
    made = cell(CDAE)
    trials = {trial.name: trial for trial in trials_of(made, line).of(made.build(line.training))}
    monkeypatch.setattr(module, "load_evaluation_set", lambda path: line)
    certification = Certification(made, data, Parts(tmp_path, "id"))
    x = torch.zeros(60, 1)
    certification.estimate(trials["exact"], (x, x[None]))
    (row,) = certification.rows
    assert (row.estimator, row.n_repeats, row.n_checked, row.repeats_add_nats) == ("exact", None, None, None)
    assert "exact/quadrature/check" not in certification.values and row.gap_nats == 0.0 and row.status == "ok"


def test_no_repeats_are_made_where_none_are_asked_for(data, weights, tmp_path):
    path, options = weights(VAE), {**cell(VAE).config}
    options["certify"] = {**SETTINGS, "check": {"n_points": 25, "n_repeats": 0}}
    certification = Certification(CellJob(options), data, Parts(tmp_path / "parts", "id"))
    certification.run(path)
    assert all(row.status == "ok" and row.n_repeats is None for row in certification.rows)
    assert not any(name.endswith("/check") for name in certification.values)


def test_an_upper_bound_below_the_lower_one_is_a_failure(data, weights, tmp_path, monkeypatch):
    real = ImportanceSampling.both_sides

    def too_low(*args, **known):
        log_weights, upper = real(*args, **known)
        return BothSides(log_weights, upper - 9.0)

    monkeypatch.setattr(ImportanceSampling, "both_sides", too_low)
    done = certified(VAE, data, weights(VAE), tmp_path / "parts")
    failed = [row for row in done.rows if row.status == "failed"]
    assert [row.variant for row in failed] == ["encoder", "prior"]
    assert all("one of its two bounds is wrong, which is a bug" in row.reason for row in failed)


@pytest.mark.parametrize(
    ("shift", "spread", "status"),
    [(0.0, 0.1, "ok"), (-0.04, 0.1, "ok"), (-0.06, 0.1, "failed"), (-5e-4, 0.0, "ok"), (-2e-3, 0.0, "failed")],
)
def test_a_gap_may_be_negative_by_chance_and_by_rounding_alone(shift, spread, status):
    """100 points at 1,000 nats: five errors are 0.05 nats, and rounding is 0.001."""
    noise = torch.tensor([-1.0, 1.0] * 50, dtype=torch.float64) * 0.995  # of standard deviation 1
    lower = torch.full((100,), 1_000.0, dtype=torch.float64)
    found = beside_upper(lower, lower + shift + spread * noise)
    assert found.get("status", "ok") == status
    assert found["gap_nats"] == pytest.approx(shift) and found["n_simulated"] == 100


def test_the_record_says_how_many_levels_the_data_have(data, tmp_path):
    certification = Certification(cell(CDAE), data, Parts(tmp_path, "id"))
    assert certification.record().n_intensity_levels is None
    training = replace(certification.data.training, n_intensity_levels=17)
    certification.data = replace(certification.data, training=training)
    assert certification.record().n_intensity_levels == 17 and certification.record().dim == 2


def one_dimensional(data):
    """The first coordinate of a data set alone."""
    training = replace(data.training, values=data.training.values[:, :1])
    cut = {name: getattr(data, name)[:, :1] for name in ("examples", "pixels", "validation_pixels")}
    return replace(data, **cut, training=training)
