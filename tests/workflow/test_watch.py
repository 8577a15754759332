"""What is done beside the jobs of a run: when something is new, not too often, and not after the end."""

import threading
import time

import pytest

from tests.helpers import mutated
from workflow.grid import watch


class Clock:
    """A clock that a test sets; acting takes so many seconds on it."""

    def __init__(self, cost=0.0):
        self.now, self.cost, self.count, self.acted = 100.0, cost, 0, []

    def __call__(self):
        return self.now

    def act(self):
        self.acted.append(self.now)
        self.now += self.cost

    def duty(self, module=watch):
        return module.Duty(lambda: self.count, self.act, self)


def when_acted(cost, events, module=watch):
    """The times at which a duty acts that is looked at whenever these (time, count) are."""
    clock = Clock(cost)
    duty = clock.duty(module)
    for clock.now, clock.count in events:
        duty.look()
    return clock.acted


NOTHING_NEW = [(100.0, 0), (101.0, 3), (200.0, 3), (300.0, 4)]
TOO_EARLY = [(101.0, 1), (102.0, 2), (130.9, 2), (131.0, 2), (161.0, 3)]
DEAR = [(101.0, 1), (140.0, 2), (161.0, 2), (166.9, 2), (167.0, 2)]


def test_nothing_is_done_while_there_is_nothing_or_nothing_new():
    assert when_acted(0.0, NOTHING_NEW) == [101.0, 300.0]


def test_what_is_new_waits_for_half_a_minute():
    assert when_acted(0.0, TOO_EARLY) == [101.0, 131.0, 161.0]


def test_a_duty_that_takes_six_seconds_waits_for_a_minute():
    """From its end on."""
    assert when_acted(6.0, DEAR) == [101.0, 167.0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n == self.seen or ", ""),
        (" or began < self.due", ""),
        ("max(LEAST_SECONDS, (ended - began) / SHARE)", "LEAST_SECONDS"),
        ("max(LEAST_SECONDS, (ended - began) / SHARE)", "(ended - began) / SHARE"),
        ("n, ended + max", "n, began + max"),
        ("self.seen, self.due = n, ended", "_, self.due = n, ended"),
    ],
)
def test_mutants_are_killed(old, new):
    def acted(module):
        return [when_acted(cost, events, module) for cost, events in ((0, NOTHING_NEW), (0, TOO_EARLY), (6, DEAR))]

    assert acted(mutated(watch, old, new)) != acted(watch)


def test_a_duty_that_fails_is_not_done_at_once_again():
    clock = Clock()

    def fail():
        clock.acted.append(clock.now)
        raise OSError("disk full")

    duty = watch.Duty(lambda: 1, fail, clock)
    with pytest.raises(OSError, match="disk full"):
        duty.look()
    duty.look()
    assert clock.acted == [100.0]


def test_a_watch_goes_on_after_a_full_disk_and_is_over_when_it_is_ended(monkeypatch):
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.001)
    looks, enough = [], threading.Event()

    class Full:
        def look(self):
            looks.append(time.monotonic())
            if len(looks) > 2:
                enough.set()
            raise OSError("disk full")

    running = watch.Watch([Full()])
    assert enough.wait(10.0)
    running.end()
    n = len(looks)
    time.sleep(0.05)
    assert len(looks) == n
