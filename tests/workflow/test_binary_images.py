"""Models of black and white images in a grid: on which data they run, what runs on them, and what is refused."""

import pytest
import torch
import yaml

from baselines.registry import MODELS, OF_BINARY_IMAGES, model_class
from cdae import checkpoint
from cdae.certificates.trials import Trials
from cdae.certificates.work import Work
from cdae.data import RawData, load_evaluation_set, prepare
from cdae.datasets.binarized import binarized
from cdae.datasets.registry import BINARIZED, LOADERS, loader
from cdae.estimators.catalogue import ESTIMATORS, estimators_for
from cdae.seen_examples import with_seen_examples
from tests.helpers import seeded
from tests.workflow.conftest import ROOT
from workflow.grid.cells import Cell, cells, certification_config, evaluation_config
from workflow.grid.check import checked
from workflow.jobs.cell import CellJob
from workflow.jobs.description import CERTIFIED, RUNS, rows_of
from workflow.jobs.description import _model as model_of
from workflow.jobs.evaluation import Evaluation
from workflow.jobs.training import train

TRAINING = {"n_updates": 3, "batch_size": 8, "learning_rate": 0.01, "matmul_precision": "highest"}
NETWORK = {"hidden_sizes": [4], "training": TRAINING}
OPTIONS = {
    "bernoulli-cdae": {"n_levels": 2, "first_flip": 0.1, "last_flip": 0.4, "loss": "shrunk_uniform", **NETWORK},
    "bernoulli-vae": {"latent_dim": 2, "n_importance_samples": 3, **NETWORK},
    "control-bernoulli": {"n_components": 2},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Thirty images of six pixels, binarized and prepared."""
    levels = (torch.rand(30, 6, generator=seeded(0)) * 17).to(torch.uint8).numpy()
    path = tmp_path_factory.mktemp("binary") / "toy.npz"
    prepare(binarized(RawData(levels, levels, levels, 17, unit_interval=True), "toy"), "toy", path)
    return load_evaluation_set(path)


def built(kind, data):
    model = model_class(kind).build(OPTIONS[kind], data.training, generator=seeded(1)).requires_grad_(False)
    if kind.startswith("control"):
        model.fit_closed_form(data.training, generator=seeded(2))
    return model


@pytest.mark.parametrize("kind", sorted(OF_BINARY_IMAGES))
def test_every_estimator_of_a_discrete_likelihood_runs_also_on_gray_training_images(kind, data):
    """No Parzen window does, which is a density of real values."""
    model, names = built(kind, data), estimators_for(model_class(kind))
    assert names == (["exact"] if kind.startswith("control") else ["lower_bound", "importance_weighted"])
    settings = {"n_draws": 2, "n_importance_samples": 3, "n_points": 9, "subset_seed": 0}
    for examples in (data, with_seen_examples(data, 20, generator=seeded(3))):
        for name in names:
            (estimate,) = ESTIMATORS[name].estimate(model, examples, settings, generator=seeded(4))
            assert estimate.values.isfinite().all() and (estimate.values < 0.0).all()


@pytest.mark.parametrize("kind", ["bernoulli-cdae", "bernoulli-vae"])
def test_certificates_are_those_of_the_models_methods(kind, data, config):
    """Both sides by the model's own inference model; those of Gaussian cascades do not run."""
    job = CellJob(certification_config(config, Cell("toy", kind, "vae", kind, None, 0)))
    work, model = Work(settings=job.config["certify"], generator=job.generator), built(kind, data)
    found = {(trial.name, trial.variant) for trial in Trials(work, data.training).of(model)}
    decoder = {("importance_weighted", "encoder"), ("importance_weighted", "prior"), ("annealed", "encoder")}
    cascade = {("importance_weighted", "paper"), ("all_pairs", "paper")}
    assert found == (decoder if kind == "bernoulli-vae" else cascade)
    rows = rows_of(model_of(kind), is_own=False)
    said = {name.split(",")[0] for name, where, verdict in rows if (where, verdict) == (CERTIFIED, RUNS)}
    assert {name for name, _ in found} == said


@pytest.fixture
def binary_config(config):
    """A configuration with binarized digits beside the others, every model on data of its sort."""
    models = {
        "flips": {"kind": "bernoulli-cdae", **OPTIONS["bernoulli-cdae"], "n_levels": [2]},
        "bernoulli": {"kind": "control-bernoulli", "n_components": 1},
        "gaussian": {"kind": "control-gaussian", "covariance": "diagonal"},
    }
    for name, options in models.items():
        options["datasets"] = ["gray"] if name == "gaussian" else ["binary"]
    datasets = {"binary": {"loader": "binarized_digits"}, "gray": {"loader": "digits"}}
    config = {key: value for key, value in config.items() if key not in ("certify", "pilot", "quality")}
    return {**config, "models": models, "datasets": datasets}


def test_a_configuration_with_both_sorts_of_data_is_right(binary_config):
    assert checked(binary_config)["models"]["flips"]["n_levels"] == [2]


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("gaussian", {"datasets": ["gray", "binary"]}, ["models.gaussian.datasets", "are binarized", "control-bern"]),
        ("flips", {"datasets": ["gray"]}, ["models.flips.datasets", "are not binarized", "expected a density"]),
        ("flips", {"last_flip": 0.1}, ["models.flips.last_flip: got 0.1", "levels must increase"]),
        ("flips", {"last_flip": 0.6}, ["models.flips.last_flip", "at most 0.5"]),
        ("flips", {"first_flip": 0}, ["models.flips.first_flip", "above 0"]),
        ("flips", {"loss": "shrunk"}, ["models.flips.loss", "got 'shrunk', expected", "'shrunk_uniform'"]),
        ("bernoulli", {"n_components": 0}, ["models.bernoulli.n_components", "at least 1"]),
    ],
)
def test_a_mistake_is_refused_in_one_line(binary_config, model, options, expected):
    binary_config["models"][model] |= options
    with pytest.raises(ValueError) as error:
        checked(binary_config)
    assert "\n" not in str(error.value)
    for part in expected:
        assert part in str(error.value)


def test_every_model_of_the_example_gets_its_rows(tmp_path):
    """Every model of it after few updates; a bound of a probability of 64 black and white pixels, so below 0."""
    config = checked(yaml.safe_load((ROOT / "examples/binarized.yaml").read_text()))
    prepare(loader("binarized_digits")(), "binarized_digits", tmp_path / "data.npz")
    found = {}
    for cell in cells(config):
        job = evaluation_config(config, cell)
        job["estimators"]["importance_weighted"] = {"n_importance_samples": 5, "n_points": 20}
        if "training" in job["options"]:
            job["options"]["training"] = {**job["options"]["training"], "n_updates": 20}
        evaluation = Evaluation(CellJob(job), tmp_path / "data.npz")
        checkpoint.save(train(evaluation.cell, tmp_path / "data.npz", {})[0], tmp_path / "weights")
        evaluation.run(tmp_path / "weights")
        found[cell.model] = {row.estimator: row for row in evaluation.rows}
        assert all(row.status == "ok" and -100.0 < row.mean_nats < 0.0 for row in evaluation.rows)
        assert evaluation.record().n_intensity_levels is None
        assert set(evaluation.seen_examples) == set(found[cell.model]) - {"importance_weighted"}
    assert {name for name, rows in found.items() if set(rows) == {"exact"}} == {"pixels", "mixture-20"}
    assert found["mixture-20"]["exact"].mean_nats > found["pixels"]["exact"].mean_nats + 2.0
    assert all(set(rows) <= {"exact", "lower_bound", "importance_weighted"} for rows in found.values())


def test_what_is_said_of_binary_images_names_known_kinds_and_loaders():
    assert set(MODELS) >= OF_BINARY_IMAGES and set(LOADERS) >= BINARIZED
    assert set(OPTIONS) == OF_BINARY_IMAGES
