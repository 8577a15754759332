"""The levels of a cell that a pilot chooses: how the job chooses them, and what happens where there is no pilot."""

import numpy as np
import pytest
import torch

from cdae import error_curve
from cdae.computing.files import read_record, write_record
from cdae.data import TrainingSet, load_training_set
from cdae.error_curve import ErrorCurve
from cdae.interfaces import InputWarning
from cdae.optimal_schedule import choose
from tests.oracles import schedules as oracle
from workflow.grid import cells as grid
from workflow.grid.record import FAILED, NOT_RUN, OK
from workflow.jobs import evaluation, pilot, schedule, training
from workflow.jobs.cell import CellJob


@pytest.fixture
def cell(config):
    (found,) = [c for c in grid.cells(config) if c.dataset == "mixture_2d" and c.model == "cdae-optimal-k2"]
    return CellJob(grid.evaluation_config(config, found))


@pytest.fixture
def flown(config, mixture_2d, tmp_path):
    """The pilot of the smoke grid."""
    record = tmp_path / "pilot/mixture_2d.json"
    pilot.run(grid.pilot_config(config, "mixture_2d"), {}, mixture_2d, record.with_suffix(".npz"), record)
    assert read_record(record)["status"] == OK
    return record


@pytest.mark.filterwarnings("ignore:schedule. the best")
def test_the_model_has_the_chosen_levels_from_training_to_evaluation(cell, flown, mixture_2d, tmp_path):
    files = [tmp_path / name for name in ("weights", "snapshots", "training.json")]
    training.run(cell.config, {}, mixture_2d, *files, pilot=flown)
    record = read_record(files[-1])
    assert record["status"] == OK, record["reason"]
    expected = choose(cell.options, flown.with_suffix(".npz"), load_training_set(mixture_2d))
    assert record["relative_std"] == expected.relative_std and record["predicted_nats"] == expected.predicted_nats
    made = [tmp_path / name for name in ("evaluation.json", "values.npz", "pictures.npz")]
    evaluation.run(
        cell.config,
        {"config_sha256": "a", "code_sha256": "b"},
        mixture_2d,
        files[0],
        files[-1],
        *made,
        kept=tmp_path / "kept",
    )
    evaluation.run_at_snapshots(cell.config, {}, mixture_2d, files[1], files[-1], tmp_path / "kept.json")
    unit = load_training_set(mixture_2d).summary().pooled_std
    for found in (read_record(made[0]), *read_record(tmp_path / "kept.json")["snapshots"]):
        np.testing.assert_allclose(found["levels"]["corruption_std"], np.array(record["relative_std"]) * unit)
    assert read_record(made[0])["predicted_nats"] == record["predicted_nats"]


def test_the_pilot_is_the_same_for_the_same_names_and_differs_between_data_sets(config, flown, mixture_2d, tmp_path):
    def again(dataset):
        record = tmp_path / "again.json"
        config_of = {**grid.pilot_config(config, "mixture_2d"), "dataset": dataset}
        pilot.run(config_of, {}, mixture_2d, record.with_suffix(".npz"), record)
        return error_curve.load(record.with_suffix(".npz"))

    first = error_curve.load(flown.with_suffix(".npz"))
    assert torch.equal(first.mse_train, again("mixture_2d").mse_train)
    assert not torch.equal(first.mse_train, again("other").mse_train)
    np.testing.assert_allclose(first.relative_std, np.geomspace(0.1, 4.0, 12))


@pytest.mark.parametrize("status", [FAILED, NOT_RUN])
def test_where_there_is_no_pilot_training_says_why(cell, mixture_2d, tmp_path, status):
    record, files = tmp_path / "p.json", [tmp_path / name for name in ("weights", "snapshots", "training.json")]
    write_record(record, {"status": status, "reason": "training diverged"})
    training.run(cell.config, {}, mixture_2d, *files, pilot=record)
    found = read_record(files[-1])
    assert (found["status"], found["reason"]) == (status, "the pilot: training diverged")


def test_a_pilot_that_diverges_is_recorded(config, mixture_2d, tmp_path):
    settings = grid.pilot_config(config, "mixture_2d")
    settings["pilot"] = {**settings["pilot"], "training": {**settings["pilot"]["training"], "learning_rate": 1e30}}
    pilot.run(settings, {}, mixture_2d, tmp_path / "p.npz", tmp_path / "p.json")
    record = read_record(tmp_path / "p.json")
    assert record["status"] == FAILED and "training diverged" in record["reason"]


def test_other_cells_stay_as_they_are(config, mixture_2d):
    for found in grid.cells(config):
        if not grid.needs_pilot(config, found):
            job = CellJob(grid.training_config(config, found))
            assert schedule.resolved(job, mixture_2d, None) == (job, {})


VARIANCE = np.array([0.3, 1.7])


@pytest.fixture
def wiener(tmp_path, monkeypatch):
    """Errors of the best denoisers of Gaussian data of these variances, whose moments are taken to be the data's."""
    grid_std = np.geomspace(0.05, 8.0, 14)
    mse = torch.from_numpy(oracle.wiener_error(VARIANCE, grid_std))  # the pooled standard deviation is 1
    path = tmp_path / "curve.npz"
    error_curve.save(ErrorCurve(torch.from_numpy(grid_std), mse, 1.1 * mse), path)
    return path, grid_std


def exact_moments(angle: float = 0.0) -> TrainingSet:
    """Four points of mean 0 whose covariance has the eigenvalues VARIANCE, and axes turned by an angle."""
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (axes * np.sqrt(2.0 * VARIANCE)).T
    return TrainingSet(torch.from_numpy(np.concatenate([points, -points])))


@pytest.mark.filterwarnings("ignore:schedule. the best")
@pytest.mark.parametrize("reconstruction", ["isotropic", "predicted", "per_pixel"])
def test_the_promise_is_the_bound_and_no_other_levels_promise_more(wiener, reconstruction):
    path, grid_std = wiener
    found = choose({"n_levels": 2, "reconstruction": reconstruction}, path, exact_moments())
    pooled = reconstruction != "per_pixel"
    bounds = {
        (a, b): oracle.bound_of_gaussian(VARIANCE, np.array([a, b]), pooled=pooled)
        for i, a in enumerate(grid_std)
        for b in grid_std[i + 1 :]
    }
    best = max(bounds, key=bounds.get)
    np.testing.assert_allclose(found.relative_std, best, rtol=1e-12)
    np.testing.assert_allclose(found.predicted_nats["train"], bounds[best], rtol=1e-10)
    assert found.predicted_nats["validation"] < found.predicted_nats["train"]


@pytest.mark.filterwarnings("ignore:schedule. the best")
def test_the_last_level_can_be_fixed_also_between_those_of_the_grid(wiener):
    path, grid_std = wiener
    free = choose({"n_levels": 2}, path, exact_moments())
    for last in (2.0, float(grid_std[-1])):
        found = choose({"n_levels": 2, "last_std": last}, path, exact_moments())
        assert found.relative_std[-1] == last and found.relative_std[0] in grid_std
        assert found.predicted_nats["train"] < free.predicted_nats["train"]


@pytest.mark.filterwarnings("ignore:schedule. the best")
def test_the_prior_counts(wiener):
    """A full prior has the eigenvalues, however the data lie; an isotropic prior has their mean, and costs more."""
    promised = {
        prior: choose({"n_levels": 2, "last_std": 1.0, "prior": prior}, wiener[0], exact_moments()).predicted_nats[
            "train"
        ]
        for prior in ("diagonal", "full", "isotropic")
    }
    assert promised["full"] == pytest.approx(promised["diagonal"]) and promised["isotropic"] < promised["diagonal"]
    turned = choose({"n_levels": 2, "last_std": 1.0, "prior": "full"}, wiener[0], exact_moments(0.9))
    assert turned.predicted_nats["train"] == pytest.approx(promised["full"])
    kl = 0.5 * (2 * np.log1p(1.0) - np.log1p(VARIANCE).sum())
    assert promised["diagonal"] - promised["isotropic"] == pytest.approx(kl)


def test_levels_at_the_ends_of_the_pilot_are_told(wiener):
    with pytest.warns(InputWarning) as told:
        choose({"n_levels": 14}, wiener[0], exact_moments())
    texts = [str(warning.message) for warning in told]
    assert ["lower pilot.first_std" in texts[0], "raise pilot.last_std" in texts[1]] == [True, True]
    with pytest.warns(InputWarning) as told:  # a last level that is fixed is where it ought to be
        choose({"n_levels": 14, "last_std": 8.0}, wiener[0], exact_moments())
    assert len(told) == 1
