"""A user's model that fails is a row with its reason, wherever it fails, and tables know for which estimators."""

import pytest

from cdae.computing.files import read_record, write_record
from tests.workflow.conftest import ROOT, prepared
from workflow.grid import cells as grid
from workflow.grid.check import checked
from workflow.jobs import certification, evaluation, training
from workflow.tables import tabulation
from workflow.tables.certificates import without_simulate

HASHES = {"config_sha256": "a", "code_sha256": "b"}
BOTH_OK = {"annealed": "ok", "importance_weighted": "ok"}  # the certificates of a decoder
GOOD = """
import torch
class Mine:
    def __init__(self, dim=2):
        self.latent_dim = dim
    def log_prob(self, x): return -x.square().sum(-1) - 2.0
    def log_likelihood(self, x, z): return -(x - z).square().sum(-1) - 1.2
    def sample_x(self, z, *, generator): return z + torch.randn(z.shape, generator=generator)
"""

PIXELS = """
import torch
from torch.distributions import Bernoulli
class Mine:
    latent_dim = 2
    def log_likelihood(self, x, z): return Bernoulli(probs=torch.full((64,), 0.3)).log_prob(x).sum(-1) + 0.0 * z.sum(-1)
    def sample_x(self, z, *, generator): return (torch.rand(len(z), 64, generator=generator) < 0.3).float()
"""


@pytest.fixture
def run(config, mixture_2d, tmp_path):
    """Run all jobs of a user's model by its source: the records of training, evaluation and certification."""

    def run(text, data=mixture_2d, **options):
        (tmp_path / "mine.py").write_text(text)
        config["models"] = {"mine": {"kind": f"{tmp_path}/mine.py:Mine", "options": options}}
        (cell,) = [cell for cell in grid.cells(config) if cell.dataset == "mixture_2d"]
        paths = {name: tmp_path / name for name in ("w", "s", "t.json", "e.json", "e.npz", "p.npz", "c.json", "c.npz")}
        w, s, t, e, values, shown, c, certified = paths.values()
        training.run(grid.training_config(config, cell), HASHES, data, w, s, t)
        evaluation.run(grid.evaluation_config(config, cell), HASHES, data, w, t, e, values, shown, tmp_path / "kept")
        assert grid.certified(config, cell)
        certification.run(grid.certification_config(config, cell), HASHES, data, w, t, c, certified)
        return read_record(t), read_record(e), read_record(c)

    return run


def statuses(record):
    return {row["estimator"]: row["status"] for row in record["rows"]}


def test_a_good_model_has_its_rows_and_its_certificate(run):
    trained, evaluated, certified = run(GOOD)
    assert (trained["status"], trained["notes"]) == ("ok", [])
    assert statuses(evaluated) == {"exact": "ok", "parzen": "ok"} and statuses(certified) == BOTH_OK
    assert evaluated["identity"]["kind"] == "own" and evaluated["identity"]["model"] == "mine"


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("import no_such_module\n" + GOOD, {}, "importing it raised ModuleNotFoundError"),
        (GOOD, {"dmi": 3}, "Mine(**options) raised TypeError"),
        (GOOD, {"dim": "2"}, "latent_dim '2', expected a whole number"),
        (GOOD, {"dim": 3}, "sample_x returned shape (2, 3), expected a tensor of shape (2, 2)"),
    ],
)
def test_a_model_that_cannot_be_built_is_a_failed_row_for_every_estimator_that_would_have_run(
    run, text, options, expected
):
    trained, evaluated, certified = run(text, **options)
    assert trained["status"] == "failed" and expected in trained["reason"] and "\n" not in trained["reason"]
    assert statuses(evaluated) == {"exact": "failed", "parzen": "failed"} and statuses(certified) == {"all": "failed"}
    assert all(row["reason"] == trained["reason"] for row in evaluated["rows"] + certified["rows"])


def test_a_method_that_fails_takes_no_other_with_it(run):
    trained, evaluated, certified = run(GOOD.replace("x.square().sum(-1)", "x.square()"))
    assert trained["status"] == "ok" and statuses(certified) == BOTH_OK
    rows = {row["estimator"]: row for row in evaluated["rows"] if row["status"] == "failed"}
    assert "exact" in rows and "parzen" not in rows
    assert "log_prob returned shape (10000, 2), expected a tensor of shape (10000,)" in rows["exact"]["reason"]


def test_a_likelihood_that_fails_is_a_failed_certificate(run):
    _, evaluated, certified = run(GOOD.replace("(x - z).square().sum(-1) - 1.2", "(x @ z)"))
    assert statuses(evaluated) == {"exact": "ok", "parzen": "ok"} and statuses(certified) == dict.fromkeys(
        BOTH_OK, "failed"
    )
    assert "log_likelihood raised RuntimeError" in certified["rows"][0]["reason"]


def test_pixels_of_binarized_data_need_nothing_but_torchs_bernoulli(run, tmp_path_factory):
    """It refuses gray values, such as those of training images, and of black and white ones there is no density."""
    trained, evaluated, certified = run(PIXELS, data=prepared("binarized_digits", tmp_path_factory))
    assert trained["status"] == "ok" and evaluated["rows"] == [] and statuses(certified) == BOTH_OK
    gaps = {row["estimator"]: (row["gap_nats"], row["gap_standard_error_nats"]) for row in certified["rows"]}
    for gap, error in gaps.values():
        assert abs(gap) <= 5 * error + 1e-4  # z is not used, so every weight is the exact value, but for rounding


@pytest.mark.filterwarnings("ignore:.*no gap can be had:cdae.interfaces.InputWarning")  # the tables' note of it
@pytest.mark.parametrize("others", [(), ("vae",)])
def test_a_decoder_without_simulate_has_a_row_in_the_certificates_that_says_so(config, mixture_2d, tmp_path, others):
    """It has nothing else: no evaluation runs on it."""
    (tmp_path / "mine.py").write_text(
        "".join(line for line in GOOD.splitlines(True) if "log_prob" not in line and "sample_x" not in line)
    )
    mine = {"kind": f"{tmp_path}/mine.py:Mine"}
    config["models"] = {"mine": mine, **{name: config["models"][name] for name in others}}
    config["datasets"] = {"mixture_2d": config["datasets"]["mixture_2d"]}
    config["certify"].pop("overrides", None)
    del config["quality"]
    config = checked(config)
    assert [identity.model for identity in without_simulate(config)] == ["mine"]
    (cell,) = [cell for cell in grid.cells(config) if cell.family == "mine"]
    assert not grid.certified(config, cell)
    w, s, t, e, values, shown = (tmp_path / name for name in ("w", "s", "t.json", "e.json", "e.npz", "p.npz"))
    training.run(grid.training_config(config, cell), HASHES, mixture_2d, w, s, t)
    evaluation.run(grid.evaluation_config(config, cell), HASHES, mixture_2d, w, t, e, values, shown, tmp_path / "kept")
    assert read_record(e)["rows"] == []
    write_record(tmp_path / "data.json", {"notes": []})
    tables = tabulation.make(config, [tmp_path / "data.json"], [e], [], [], ROOT / "results/reference/published.csv")
    (row,) = tables["certificates.csv"].to_dict("records")
    assert (row["model"], row["kind"], row["seed"], row["status"]) == ("mine", "own", 0, "not certified")
    assert "| mine | all |" in tables["certificates.md"]
    assert "| not certified: method `simulate` is missing, which draws (x, latents)" in tables["certificates.md"]
    assert "mine" not in set(tables["summary.csv"]["model"])


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("log_likelihood sample", True),
        ("infer log_weights", True),
        ("log_likelihood sample_x", False),
        ("infer log_weights simulate", False),
        ("log_prob sample", False),
    ],
)
def test_which_models_lack_one_method(config, tmp_path, methods, expected):
    (tmp_path / "mine.py").write_text(
        "class Mine:\n" + "".join(f"    def {name}(self): ...\n" for name in methods.split())
    )
    config["models"] = {"mine": {"kind": f"{tmp_path}/mine.py:Mine"}}
    (cell, *_) = grid.cells(config)
    assert grid.lacks_simulate(config, cell) is expected
    assert not grid.lacks_simulate({name: part for name, part in config.items() if name != "certify"}, cell)
    config["certify"]["seeds"] = [7]
    assert not grid.lacks_simulate(config, cell)
