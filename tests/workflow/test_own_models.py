"""A user's model that fails is a row with its reason, wherever it fails, and tables know for which estimators."""

import pytest

from cdae.computing.files import read_record
from workflow.grid import cells as grid
from workflow.jobs import certification, evaluation, training

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


@pytest.fixture
def run(config, mixture_2d, tmp_path):
    """Run all jobs of a user's model by its source: the records of training, evaluation and certification."""

    def run(text, **options):
        (tmp_path / "mine.py").write_text(text)
        config["models"] = {"mine": {"kind": f"{tmp_path}/mine.py:Mine", "options": options}}
        (cell,) = [cell for cell in grid.cells(config) if cell.dataset == "mixture_2d"]
        paths = {name: tmp_path / name for name in ("w", "s", "t.json", "e.json", "e.npz", "p.npz", "c.json", "c.npz")}
        w, s, t, e, values, shown, c, certified = paths.values()
        training.run(grid.training_config(config, cell), HASHES, mixture_2d, w, s, t)
        evaluation.run(grid.evaluation_config(config, cell), HASHES, mixture_2d, w, t, e, values, shown)
        assert grid.certified(config, cell)
        certification.run(grid.certification_config(config, cell), HASHES, mixture_2d, w, t, c, certified)
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
