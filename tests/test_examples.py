"""The examples of users' models and data run as they are, and their numbers are those of independent computations."""

import ast
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.stats import multivariate_normal

from cdae import checkpoint
from cdae.data import TrainingSet, prepare
from cdae.datasets.registry import loader
from cdae.gaussian import log_normal
from cdae.import_path import ImportPath
from tests.helpers import assert_moments, seeded
from tests.test_layers import foreign_imports
from workflow.grid import cells as grid
from workflow.grid.check import checked
from workflow.jobs.cell import CellJob
from workflow.jobs.certification import Certification
from workflow.jobs.evaluation import Evaluation
from workflow.jobs.parts import Parts
from workflow.jobs.training import train

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def project_folder(monkeypatch):
    """Paths in the configurations are relative to it."""
    monkeypatch.chdir(EXAMPLES.parent)


def config_of(name):
    return checked(yaml.safe_load((EXAMPLES / name).read_text()))


def example(name):
    return ImportPath.parse(f"examples/{name}").load()


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "mixture_2d.npz"
    prepare(loader("mixture_2d")(), "mixture_2d", path)
    return path


@pytest.fixture(scope="module")
def rows(mixture, tmp_path_factory):
    """The rows of every model: of its evaluation, and of its certificate with fewer steps than the example has."""
    with chdir(EXAMPLES.parent):
        return rows_in(tmp_path_factory.mktemp("rows"), mixture)


def rows_in(tmp_path, mixture):
    config, found = config_of("models.yaml"), {}
    config["certify"]["annealing"].update(n_distributions=40, n_chains=4)
    for cell in grid.cells(config):
        evaluation, weights = Evaluation(CellJob(grid.evaluation_config(config, cell)), mixture), tmp_path / cell.model
        checkpoint.save(train(evaluation.cell, mixture, {})[0], weights)
        evaluation.run(weights)
        found[cell.model] = {row.estimator: row for row in evaluation.rows}
        assert evaluation.record().identity.kind == ("control" if cell.model == "gaussian" else "own")
        if grid.certified(config, cell):
            job = CellJob(grid.certification_config(config, cell))
            certification = Certification(job, mixture, Parts(tmp_path / "parts", "x"))
            certification.run(weights)
            found[cell.model] |= {row.estimator: row for row in certification.rows}
    return found


def test_every_model_gets_the_rows_that_its_methods_allow(rows):
    assert {name: set(of) for name, of in rows.items()} == {
        "decoder": {"parzen", "annealed", "importance_weighted"},
        "factors": {"exact", "parzen"}, "gaussian": {"exact", "parzen"},
    }  # fmt: skip
    assert all(row.status == "ok" for of in rows.values() for row in of.values())


def test_the_decoders_bound_lies_below_the_exact_value_and_its_gap_is_positive(rows):
    row = rows["decoder"]["annealed"]
    assert -2.0 < row.excess_nats < -2.0 * row.excess_standard_error_nats
    assert row.gap_nats + 2.0 * row.gap_standard_error_nats > 0.0 and row.gap_nats < 2.0


def test_one_factor_in_two_dimensions_is_a_full_gaussian(rows):
    assert rows["factors"]["exact"].mean_nats == pytest.approx(rows["gaussian"]["exact"].mean_nats, abs=1e-3)


def test_the_log_density_of_factor_analysis_is_that_of_its_gaussian_and_of_its_draws():
    rng = np.random.default_rng(0)
    loadings, noise_std = rng.standard_normal((5, 2)), rng.uniform(0.3, 1.0, 5)
    x = rng.standard_normal((4_000, 2)) @ loadings.T + noise_std * rng.standard_normal((4_000, 5)) + 3.0
    model = example("factor_analysis.py:FactorAnalysis")(dim=5, n_factors=2, n_iterations=200)
    assert all(buffer.isnan().all() for buffer in model.buffers())  # before it is fitted
    model.fit_closed_form(TrainingSet(torch.from_numpy(x)), generator=seeded(0))
    covariance = model.loadings @ model.loadings.T + model.noise_var.diag()
    exact = multivariate_normal(model.mean.numpy(), covariance.numpy())
    np.testing.assert_allclose(model.log_prob(torch.from_numpy(x[:50])), exact.logpdf(x[:50]), rtol=1e-9)
    np.testing.assert_allclose(covariance, loadings @ loadings.T + np.diag(noise_std**2), atol=0.25)
    draws = model.sample(20_000, generator=seeded(1)).double().numpy()
    assert_moments(draws, model.mean.numpy(), covariance.numpy())


def test_the_decoders_density_and_draws_are_those_of_its_gaussian():
    with torch.random.fork_rng(devices=[]):
        decoder = example("gaussian_vae.py:GaussianDecoder")(dim=3, latent_dim=2)
    decoder.requires_grad_(False)
    decoder.log_std.fill_(-0.7)
    x, z = torch.randn(6, 3, generator=seeded(0)), torch.randn(6, 2, generator=seeded(1))
    expected = log_normal(x, decoder.mean(z), decoder.log_std.exp())
    torch.testing.assert_close(decoder.log_likelihood(x, z), expected, rtol=1e-5, atol=1e-5)
    draws = decoder.sample_x(z[:1].expand(20_000, 2), generator=seeded(2)).double().numpy()
    assert_moments(draws, decoder.mean(z[0]).double().numpy(), np.exp(-1.4) * np.eye(3))


def test_the_script_of_the_decoder_trains_it():
    x = 0.1 * torch.randn(500, 2, generator=seeded(0))
    with torch.random.fork_rng(devices=[]):
        decoder = example("gaussian_vae.py:GaussianDecoder")(dim=2, latent_dim=2)
        assert decoder.log_std.item() == 0.0
        example("gaussian_vae.py:train")(decoder, x, n_updates=200, generator=seeded(1))
    assert decoder.log_std.item() < -0.4  # on its way from 1 to the data's 0.1


def test_stripes_are_images_of_levels_striped_by_their_label(tmp_path):
    config = config_of("data.yaml")
    raw = loader(config["datasets"]["stripes"]["loader"])(**grid.dataset_options(config, "stripes"))
    assert raw.image_shape == (4, 4) and raw.n_intensity_levels == 256
    assert [len(split) for split in (raw.train, raw.validation, raw.test)] == [1_600, 200, 200]
    data = example("stripes.py:Stripes")(n_images=300)
    for label, axis in ((0, 1), (1, 0)):
        images = np.stack([image for image, own in (data[i] for i in range(len(data))) if own == label]).astype(float)
        assert images.std(axis=1 + axis).mean() < 15.0 < images.std(axis=2 - axis).mean()


def test_a_folder_holds_the_same_stripes_as_files(tmp_path):
    config = yaml.safe_load((EXAMPLES / "folder.yaml").read_text())
    config["datasets"]["stripes"]["path"] = str(tmp_path / "stripes")
    example("stripes.py:save")(str(tmp_path / "stripes"), n_images=200)
    config = checked(config)
    raw = loader(config["datasets"]["stripes"]["loader"])(**grid.dataset_options(config, "stripes"))
    found = np.concatenate([raw.train, raw.validation, raw.test])
    assert (len(raw.train), raw.image_shape, raw.n_intensity_levels) == (160, (4, 4), 256)
    expected = example("stripes.py:Stripes")(n_images=200).images.reshape(200, 16)
    assert sorted(found.tolist()) == sorted(expected.tolist())


@pytest.mark.parametrize("name", ["factor_analysis.py", "gaussian_vae.py", "stripes.py", "zuko_flow.py"])
def test_no_example_needs_the_benchmark_to_be_imported(name):
    tree = ast.parse((EXAMPLES / name).read_text())
    as_imported = [node for node in tree.body if not isinstance(node, ast.If)]  # without what a script does
    assert as_imported and not foreign_imports_of(as_imported) & {"cdae", "baselines", "workflow"}
    assert "torch" in foreign_imports(EXAMPLES / name)


def foreign_imports_of(nodes):
    text = "\n".join(ast.unparse(node) for node in nodes)
    found = ast.walk(ast.parse(text))
    return {
        name.split(".")[0]
        for node in found
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")])
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
