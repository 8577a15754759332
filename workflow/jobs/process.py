"""What every job does alike: one thread, one clear line on an error, and the line between two sorts of failure.

A cell's own failure (training that diverges, an estimator's error) is a result and is recorded. A failure of the
machine (disk, memory) is not: the job fails, and the next run of the pipeline repeats it.
"""

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from cdae.computing.files import DamagedFileError


@contextmanager
def job() -> Iterator[None]:
    """One torch thread whatever the machine offers, and errors of the user or the machine as one line, exit 1."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it a GPU's matrix products do not repeat
    gc.disable()  # until torch is imported: walking its objects over and over costs a tenth of the import
    try:
        yield
    except DamagedFileError as error:  # the next run finds it missing, and makes it anew
        error.path.unlink(missing_ok=True)
        sys.exit(f"error: {error.path}: {error.what}; it has been deleted: run the same command again to make it anew")
    except ValueError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error}; free the disk or mend its rights, then run the same command again")
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sys.exit(f"error: {reason(error)}")
    finally:
        gc.freeze()  # leaving would otherwise walk them once more: half a second per job


def use_one_thread_deterministically() -> None:
    """Settings of torch under which a job's numbers repeat, bit for bit."""
    import torch  # here, and not in a job that makes tables

    gc.enable()
    torch.set_num_threads(1)
    # An error for what does not repeat; a warning where there is a GPU, on which some sums cannot.
    # The same switch as use_deterministic_algorithms(True), which would import the compiler: a second per job.
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
    # Every new tensor would be filled with NaN first. The tests keep that: nothing reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False


def is_failure_of_the_machine(error: Exception) -> bool:
    """Disk and memory."""
    return isinstance(error, OSError) or is_out_of_memory(error)


def is_out_of_memory(error: Exception) -> bool:
    """Memory, also of torch's allocators, of which one raises a plain RuntimeError."""
    of_torch = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or of_torch or type(error).__name__ == "OutOfMemoryError"


def reason(error: Exception) -> str:
    """One line that names a failure in a table."""
    text = " ".join(str(error).split())
    if is_out_of_memory(error):
        return f"it needs more memory than there is ({text or type(error).__name__}); run it where there is more"
    return text if isinstance(error, ValueError | ArithmeticError) else f"{type(error).__name__}: {text}"


@contextmanager
def noted(category: type[Warning]) -> Iterator[list[str]]:
    """Collect the texts of the warnings of one category, which tables repeat, and print all warnings in the log."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", category)
        try:
            yield notes
        finally:
            for warning in caught:
                print(f"{warning.category.__name__}: {warning.message}", file=sys.stderr)
            notes += [str(warning.message) for warning in caught if issubclass(warning.category, category)]
