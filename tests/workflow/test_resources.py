"""What a job asks a cluster for: the measured job, the most costly of its rule, or a guess; twice as much each time."""

import math

from tests.workflow.conftest import ROOT
from workflow.grid.costs import PROBE, Cost, read
from workflow.grid.resources import LEAST_MEGABYTES, LEAST_MINUTES, UNKNOWN, Resources, asked

SMALL, LARGE = ("train", "digits", "vae", "0"), ("train", "digits", "cdae-k16", "0")
COMMITTED = {PROBE: Cost(0.1, math.nan), SMALL: Cost(3.0, 300.0), LARGE: Cost(1_200.0, 2_000.0)}


def test_a_measured_job_asks_for_what_it_took_with_a_margin():
    assert asked(LARGE, COMMITTED) == Resources(mem_mb=3_000, runtime=80)


def test_a_small_job_asks_for_what_python_and_torch_need():
    assert asked(SMALL, COMMITTED) == Resources(mem_mb=LEAST_MEGABYTES, runtime=LEAST_MINUTES)


def test_a_job_that_was_not_measured_asks_for_the_most_of_its_rule_and_of_no_other():
    assert asked(("train", "mnist", "new", "3"), COMMITTED) == asked(LARGE, COMMITTED)
    assert asked(("certify", "mnist", "new", "3"), COMMITTED) == UNKNOWN == asked(SMALL, {})


def test_every_attempt_asks_for_twice_the_memory_and_the_time():
    for attempt, factor in ((1, 1), (2, 2), (3, 4)):
        assert asked(LARGE, COMMITTED, attempt) == Resources(mem_mb=3_000 * factor, runtime=80 * factor)


def test_every_job_of_the_committed_default_asks_for_more_than_it_took():
    committed = read(ROOT / "results/reference/default/seconds.csv")
    for job, cost in committed.items():
        if job != PROBE:
            resources = asked(job, committed)
            assert resources.mem_mb >= 1.5 * cost.peak_megabytes and resources.runtime * 60.0 >= 4.0 * cost.cpu_seconds
    assert len(committed) > 200


def test_without_a_committed_run_there_is_no_cost(tmp_path):
    assert read(tmp_path / "seconds.csv") == {}
