"""Lines of progress of long runs."""

import sys
from collections.abc import Callable

Progress = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Print a line of progress to stderr."""
    print(line, file=sys.stderr)


def is_tenth(done_before: int, total: int) -> bool:
    """Tell whether the next step completes another tenth of the run."""
    return 10 * done_before // total < 10 * (done_before + 1) // total
