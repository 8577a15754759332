"""A thread beside the jobs of a run that does something now and then. It ends with its process, however that ends."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_SECONDS = 30.0  # from one time to the next
SHARE = 0.1  # of the time, at most, that a duty may take
POLL_SECONDS = 1.0


@dataclass
class Duty:
    """Something that is done again once a count has risen, but not too often.

    Attributes:
        count: how many there are now; nothing is done for none.
    """

    count: Callable[[], int]
    act: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    seen: int = 0
    due: float = float("-inf")

    def look(self) -> None:
        """Act, if it is time and there is something new."""
        began, n = self.clock(), self.count()
        if n == self.seen or began < self.due:
            return
        try:
            self.act()
        finally:
            ended = self.clock()
            self.seen, self.due = n, ended + max(LEAST_SECONDS, (ended - began) / SHARE)


class Watch:
    """A thread that looks after duties until `end`."""

    def __init__(self, duties: Sequence[Duty]):
        self._duties = duties
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Return when nothing is going on any more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            for duty in self._duties:
                with contextlib.suppress(OSError):  # a full disk stops the jobs, and they say so
                    duty.look()
