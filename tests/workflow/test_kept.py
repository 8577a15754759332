"""What an evaluation keeps of its estimators: new settings of one run it alone, and nothing stale is taken."""

import json
from dataclasses import replace

import pytest

from cdae.computing.files import read_record
from cdae.estimators.catalogue import ESTIMATORS
from tests.workflow.test_evaluation import ESTIMATOR_SETTINGS, HASHES, OPTIONS, cell, run_with
from workflow.jobs.cell import CellJob
from workflow.jobs.evaluation import Evaluation

TRAINED = {"status": "ok", "n_updates": [10]}
OTHER = {**ESTIMATOR_SETTINGS, "parzen": {"n_samples": 30}}


@pytest.fixture
def calls(monkeypatch):
    """The names of the estimators that are run, one after another."""
    made, entry = [], Evaluation.entry

    def counted(evaluation, name):
        found = entry(evaluation, name)

        def estimate(*args, **settings):
            made.append(name)
            return found.estimate(*args, **settings)

        return replace(found, estimate=estimate)

    monkeypatch.setattr(Evaluation, "entry", counted)
    return made


def files(folder) -> dict[str, bytes]:
    """The outputs of an evaluation but for its hashes."""
    record = {k: v for k, v in read_record(folder / "record.json").items() if not k.endswith("sha256")}
    return {"record": json.dumps(record).encode(), "values": (folder / "record.npz").read_bytes()}


def evaluated_twice(first: CellJob, second: CellJob, data, folder, hashes, calls):
    """What the second evaluation ran in a folder where the first had run, and what it ran in one of its own."""
    run_with(TRAINED, first, data, folder / "same")
    calls.clear()
    run_with(TRAINED, second, data, folder / "same", hashes)
    again = calls.copy()
    calls.clear()
    run_with(TRAINED, second, data, folder / "fresh", hashes)
    assert files(folder / "same") == files(folder / "fresh")
    return again, calls.copy()


def test_new_settings_of_one_estimator_run_it_alone_and_the_files_are_those_of_a_fresh_run(digits, tmp_path, calls):
    new = HASHES | {"config_sha256": "c"}
    again, alone = evaluated_twice(cell("cdae"), cell("cdae", estimators=OTHER), digits, tmp_path, new, calls)
    assert again == ["parzen"] and len(alone) > 4
    calls.clear()
    run_with(TRAINED, cell("cdae", estimators=OTHER), digits, tmp_path / "same", new)
    assert calls == alone  # asked for as it was, everything is made anew


@pytest.mark.parametrize("what", ["code", "seed", "data", "weights"])
def test_kept_estimates_are_not_taken_where_anything_else_differs(what, digits, mixture_2d, tmp_path, calls):
    new = {"config_sha256": "c", "code_sha256": "other" if what == "code" else "b"}
    changes = {"seed": {"seed": 1}, "weights": {"options": OPTIONS["cdae"] | {"first_std": 0.3}}}.get(what, {})
    run_with(TRAINED, cell("cdae"), digits, tmp_path)
    before = calls.copy()
    calls.clear()
    data = mixture_2d if what == "data" else digits
    run_with(TRAINED, cell("cdae", estimators=OTHER, **changes), data, tmp_path, new)
    assert calls == before


def test_an_estimate_that_failed_is_made_again(digits, tmp_path, calls, monkeypatch):
    def broken(*args, **settings):
        raise ValueError("no")

    with monkeypatch.context() as patch:
        patch.setitem(ESTIMATORS, "parzen", replace(ESTIMATORS["parzen"], estimate=broken))
        rows = run_with(TRAINED, cell("cdae"), digits, tmp_path).record.rows
        assert [row.estimator for row in rows if row.status == "failed"] == ["parzen"]
    calls.clear()
    settings = {**ESTIMATOR_SETTINGS, "lower_bound": {"n_draws": 4}}
    run_with(TRAINED, cell("cdae", estimators=settings), digits, tmp_path, HASHES | {"config_sha256": "c"})
    assert calls.count("parzen") == 1 and "exact" not in calls and "importance_weighted" not in calls


def test_a_damaged_kept_file_is_made_again(digits, tmp_path, calls):
    run_with(TRAINED, cell("cdae"), digits, tmp_path)
    path = tmp_path / "kept/importance_weighted.test.npz"
    path.write_bytes(path.read_bytes()[:-200])
    calls.clear()
    run_with(TRAINED, cell("cdae", estimators=OTHER), digits, tmp_path, HASHES | {"config_sha256": "c"})
    assert set(calls) == {"parzen", "importance_weighted"}
