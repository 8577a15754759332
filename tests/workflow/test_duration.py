"""The time told before a run and during it: committed seconds, scaled and shared by the cores."""

import pytest

from tests.helpers import mutated
from workflow.grid import costs, duration, machine

JOBS = [("train", "mnist", "cdae-k4", "0"), ("evaluate", "mnist", "cdae-k4", "0")]


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A finished run of two jobs, 600 and 120 CPU seconds, on a machine half as fast as this one."""
    monkeypatch.setattr(costs, "probe_seconds", lambda: 0.2)
    for job, seconds in (("train", 600.0), ("evaluate", 120.0)):
        file = tmp_path / "benchmarks" / job / "mnist" / "cdae-k4" / "0.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"s\tmax_rss\tcpu_time\n999\t512.5\t{seconds}\n")
    costs.write(tmp_path / "seconds.csv", tmp_path / "benchmarks")
    for module in (costs, duration):
        monkeypatch.setattr(module, "probe_seconds", lambda: 0.1)
    return tmp_path / "seconds.csv"


def test_what_is_committed_is_the_probe_and_a_row_per_job(committed):
    lines = committed.read_text().splitlines()
    assert lines == [
        "job,dataset,model,seed,cpu_seconds,peak_megabytes",
        "probe,,,,0.2000,",
        "evaluate,mnist,cdae-k4,0,120.0,512.5",
        "train,mnist,cdae-k4,0,600.0,512.5",
    ]


def test_the_job_of_a_data_set_has_neither_model_nor_seed(tmp_path, committed):
    file = tmp_path / "benchmarks/pilot/mnist.tsv"
    file.parent.mkdir()
    file.write_text("s\tmax_rss\tcpu_time\n999\t256.5\t1200\n")
    costs.write(tmp_path / "seconds.csv", tmp_path / "benchmarks")
    assert "pilot,mnist,,,1200,256.5" in committed.read_text().splitlines()
    known = costs.read(committed)
    assert duration.message([("pilot", "mnist", "", "")], known, 1).endswith("about 20 minutes on 1 core")


def test_seconds_are_scaled_and_shared_but_a_job_is_not_split(committed):
    assert duration.message(JOBS, costs.read(committed), 1).endswith("about 6 minutes on 1 core")
    assert duration.message(JOBS, costs.read(committed), 2).endswith("about 5 minutes on 2 cores")


def test_jobs_without_a_known_time_are_said_to_be_left_out(committed):
    new = [*JOBS, ("train", "mnist", "other", "0")]
    assert duration.message(new, costs.read(committed), 1).endswith(
        "about 6 minutes on 1 core, not counting 1 that no committed run has"
    )
    assert "no committed run" in duration.message(new[2:], costs.read(committed), 1)
    assert "no committed run" in duration.message(JOBS, costs.read(committed.with_name("none.csv")), 1)


RUN = [*JOBS, ("train", "mnist", "vae", "0"), ("evaluate", "mnist", "vae", "0")]
COMMITTED = {job: costs.Cost(seconds, 500.0) for job, seconds in zip(RUN, (600.0, 120.0, 300.0, 60.0), strict=True)}


def left(done, committed=COMMITTED, n_at_once=1.0, jobs=RUN, module=duration):
    return module.left(jobs, done, committed, n_at_once)


def test_what_is_left_is_on_the_scale_of_what_is_done():
    """Done in twice the committed time: so are 480 seconds left of 240, and on two cores half of that."""
    done = {RUN[0]: 1_400.0, RUN[2]: 400.0}
    assert left(done) == "2 of 4 jobs of training and evaluation are done; about 6 minutes left"
    assert left(done, n_at_once=2.0).endswith("done; about 4 minutes left")
    done[RUN[1]] = 240.0
    assert left(done, n_at_once=2.0).endswith("done; about 2 minutes left")
    assert left({RUN[0]: 60.0}).endswith("a minute or less left")
    assert left(dict.fromkeys(RUN, 1.0)) == "4 of 4 jobs of training and evaluation are done"


def test_what_no_committed_run_has_takes_as_long_as_others_of_its_rule():
    done = {RUN[0]: 1_200.0, RUN[2]: 600.0}
    assert left(done, {}) == (
        "2 of 4 jobs of training and evaluation are done, and nothing tells yet how long the others take"
    )
    assert left({RUN[0]: 1_200.0}, {}).endswith("about 20 minutes left, not counting 2 of which nothing is known yet")
    assert left({RUN[0]: 1_200.0}, {RUN[1]: COMMITTED[RUN[1]]}).endswith("not counting 2 of which nothing is known yet")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max(sum(known) / n_at_once, max(known))", "sum(known) / n_at_once"),
        ("max(sum(known) / n_at_once, max(known))", "sum(known)"),
        ("return scale * committed[job].cpu_seconds", "return committed[job].cpu_seconds"),
        ("if other[0] == job[0]", ""),
        ("for job in jobs if job not in took", "for job in jobs"),
    ],
)
def test_mutants_of_what_is_left_are_killed(old, new):
    """By the examples above."""

    def said(module):
        known = left({RUN[0]: 1_400.0, RUN[2]: 400.0}, module=module), left({RUN[0]: 60.0}, n_at_once=2, module=module)
        long = left({RUN[2]: 300.0, RUN[3]: 60.0}, n_at_once=9, module=module)
        return [*known, long, left({RUN[0]: 1_200.0}, {}, module=module)]

    assert said(mutated(duration, old, new)) != said(duration)


def test_a_job_of_the_run_is_timed_by_its_own_benchmark_file(tmp_path):
    for name, seconds in (("train/mnist/vae/0", 12.5), ("pilot/mnist", 3.0)):
        file = tmp_path / f"{name}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t512.5\t99\n")
    assert costs.seconds(tmp_path, ("train", "mnist", "vae", "0")) == 12.5
    assert costs.seconds(tmp_path, ("pilot", "mnist", "", "")) == 3.0
    assert costs.seconds(tmp_path, ("train", "mnist", "vae", "1")) is None


def test_the_probe_measures_something():
    assert 0.0 < machine.probe_seconds() < 60.0
