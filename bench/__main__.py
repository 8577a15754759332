"""Starts `suite` under the settings of the pipeline's jobs, which a process reads when it starts."""

import os
import sys

# As in workflow/rules/common.smk, for the peers as well: one thread, and an allocator that keeps freed memory.
SETTINGS = {"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "32000000"}

if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]], {**os.environ, **SETTINGS})
    from bench.suite import main

    main()
