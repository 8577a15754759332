"""The page of a run that goes on: made of what is done, and of nothing else; and how far the run is."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cdae.computing.arrays import write_npz
from cdae.computing.files import write_record
from tests.workflow.conftest import ROOT
from tests.workflow.records import BOUND, evaluation_record
from workflow.grid.costs import Cost
from workflow.grid.progress import Run
from workflow.scripts import progress as door
from workflow.tables import progress_page, tabulation

PUBLISHED = ROOT / "results/reference/published.csv"
HASHES = {"config_sha256": "a", "code_sha256": "b"}
MODELS = ("first", "second", "third")


@pytest.fixture
def wanted(config, tmp_path):
    """Of three evaluated cells, and a certificate that is not there yet."""
    evaluated = [tmp_path / f"results/estimates/mnist/{model}/0.json" for model in MODELS]
    return {str(path): HASHES for path in [*evaluated, tmp_path / "results/certificates/mnist/first/0.json"]}


def evaluate(path, model, hashes=HASHES):
    write_record(path, evaluation_record(BOUND, cell={"model": model}, **hashes).to_json())
    write_npz(path.with_suffix(".npz"), {BOUND.key: np.full(400, 10.0)})


def paths(wanted):
    return [Path(path) for path in wanted][:3]


def page(config, wanted):
    return progress_page.page(config, wanted, PUBLISHED, "about 3 minutes left")


def test_the_page_has_the_cells_that_are_done_and_says_how_many_that_are(config, wanted):
    first, second, third = paths(wanted)
    evaluate(first, "first")
    evaluate(third, "third")
    text = page(config, wanted)
    assert text.startswith("**In progress: 2 of 3 cells are evaluated.** About 3 minutes left. ")
    assert "| first, k = 4 |" in text and "| third, k = 4 |" in text and "second" not in text
    evaluate(second, "second")
    assert "3 of 3 cells" in page(config, wanted)


def test_the_page_of_all_cells_is_the_summary_under_one_more_line(config, wanted):
    for path, model in zip(paths(wanted), MODELS, strict=True):
        evaluate(path, model)
    summary = tabulation.make(config, [], paths(wanted), [], [], PUBLISHED)["summary.md"]
    assert page(config, wanted).split("\n\n", 1)[1] == summary


def test_what_is_half_there_or_of_other_code_or_damaged_is_left_out_and_left_alone(config, wanted):
    first, second, third = paths(wanted)
    evaluate(first, "first")
    evaluate(second, "second")
    second.with_suffix(".npz").unlink()
    evaluate(third, "third", HASHES | {"code_sha256": "another"})
    assert "1 of 3 cells" in page(config, wanted)
    third.write_text(third.read_text().replace("third", "fourth"))
    assert "1 of 3 cells" in page(config, wanted) and third.is_file()
    first.with_suffix(".npz").write_bytes(b"damaged")
    with pytest.raises(OSError, match="damaged"):
        page(config, wanted)
    assert first.is_file() and first.with_suffix(".npz").is_file()


def run_door(monkeypatch, config, wanted, output):
    monkeypatch.setattr(sys, "argv", ["progress", "--published", str(PUBLISHED), "--note", "n", "--output", output])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps([config, wanted])))
    monkeypatch.setattr(door.os, "nice", lambda _: None)
    door.main()


def test_the_door_writes_the_page_or_says_in_a_line_why_it_cannot(config, wanted, tmp_path, monkeypatch):
    output = tmp_path / "progress.md"
    with pytest.raises(SystemExit, match=r"^no page: got no evaluated cell in .*; wait for it$"):
        run_door(monkeypatch, config, wanted, str(output))
    assert not output.exists()
    evaluate(paths(wanted)[0], "first")
    run_door(monkeypatch, config, wanted, str(output))
    assert output.read_text().startswith("**In progress: 1 of 3 cells")


JOBS = {i: (rule, "mnist", "vae", "0") for i, rule in enumerate(("train", "evaluate", "certify"))}


def a_run(tmp_path, done, n_cores=1, began=0.0):
    for i in done:
        file = (tmp_path / "benchmarks").joinpath(*JOBS[i]).with_suffix(".tsv")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("s\tmax_rss\tcpu_time\n300\t512.5\t99\n")
    committed = {name: Cost(150.0, 500.0) for name in JOBS.values()}
    return Run(tmp_path, JOBS, done.__contains__, committed, n_cores, began)


def test_a_run_counts_its_jobs_by_rule_and_says_what_is_left(tmp_path):
    run = a_run(tmp_path, {0, 1})
    assert run.done() == [JOBS[0], JOBS[1]] and run.done("evaluate") == [JOBS[1]]
    assert run.left() == "2 of 3 jobs of training and evaluation are done; about 5 minutes left"
    assert a_run(tmp_path, {0}).left().endswith("about 10 minutes left")
    assert a_run(tmp_path, {0}, n_cores=2).left().endswith("about 5 minutes left")
    assert a_run(tmp_path, set()).left().startswith("0 of 3 jobs")


def test_elsewhere_as_many_jobs_run_at_a_time_as_have_so_far(tmp_path, monkeypatch):
    """One job of 300 seconds is done after 150: two at a time, or more."""
    monkeypatch.setattr("workflow.grid.progress.time.monotonic", lambda: 150.0)
    assert a_run(tmp_path, {0}, n_cores=None).left().endswith("about 5 minutes left")
    monkeypatch.setattr("workflow.grid.progress.time.monotonic", lambda: 3_000.0)
    assert a_run(tmp_path, {0}, n_cores=None).left().endswith("about 10 minutes left")
