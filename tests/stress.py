"""Stress, by hand and not in the tests: `python -m tests.stress`, an hour on two cores.

Kills: the smoke grid is run again and again and killed with -9 at random moments, the whole run or a single job, until
it has been killed so often; in between it is let finish, and its files are compared with those of an uninterrupted run.
Configurations: a right one is changed at random, written to a file and read, checked and planned as a run would; every
tenth is given to snakemake itself. Each must be refused in one line, or be planned. The counts are printed, and with
`--output` written to a file with the date.
"""

import argparse
import datetime
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from cdae.computing.files import write_text
from tests.mutations import mutated
from workflow.grid.check import checked
from workflow.grid.config_file import read
from workflow.grid.provenance import Provenance

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "config" / "smoke.yaml"
COMPARED = (
    "data",
    "models",
    "estimates",
    "snapshots",
    "certificates",
    "classifiers",
    "quality",
    "pictures",
    "tables",
    "figures",
)
LONGEST_LINE = 700
KILLS_PER_RUN, RUNS_AT_ONCE = 25, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--configurations", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="file for the counts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = [
            configurations(args.configurations, args.seed, Path(folder)),
            kills(args.kills, args.seed, Path(folder)),
        ]
    text = "# Stress\n\n" + "\n".join(f"- {datetime.date.today()}: {line}" for line in lines) + "\n"
    print(text)
    if args.output:
        write_text(args.output, text)


def configurations(n: int, seed: int, folder: Path) -> str:
    """How many changed configurations were refused in one line or planned, out of n."""
    rng, right, good, asked = random.Random(seed), yaml.safe_load(SMOKE.read_text(encoding="utf-8")), 0, 0
    for i in range(n):
        config, path = mutated(right, rng)
        file = folder / "mutated.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
        fault = in_process(file, path)
        if fault is None and i % 10 == 0:
            asked += 1
            fault = by_snakemake(file)
        good += fault is None
        if fault is not None:
            print(f"configuration {i}, changed at {path}: {fault}", file=sys.stderr)
    return f"{good} of {n} changed configurations were refused in one line or planned ({asked} of them by snakemake)"


def in_process(file: Path, path: tuple) -> str | None:
    """What is wrong with how a configuration is taken; None if nothing is."""
    try:
        Provenance(checked(read(file))).of_everything()
    except ValueError as error:
        line = str(error)
        if "\n" in line or len(line) > LONGEST_LINE:
            return f"not one line: {line[:200]}"
        names = [str(part)[:50] for part in path if str(part).strip()]
        is_named = any(name in line for name in names) or "line " in line or not names
        return None if is_named else f"names no key: {line}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def by_snakemake(file: Path) -> str | None:
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", str(file)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    output = result.stdout + result.stderr
    if "Traceback" in output:
        return f"snakemake: {output.strip().splitlines()[-1]}"
    return (
        None if result.returncode == 0 or "config: " in output else f"snakemake says no line of ours: {output[-300:]}"
    )


def kills(n: int, seed: int, folder: Path) -> str:
    """How many kills lost nothing, out of n: every finished run must equal the uninterrupted one in all files."""
    whole = Grid(folder / "whole")
    whole.finish()
    expected = whole.files()

    def run(number: int) -> tuple[int, list[str]]:
        """One run of the grid: how often it was killed before it was let finish, and which files then differ."""
        rng, grid, left = random.Random(f"{seed}, {number}"), Grid(folder / f"run-{number}"), n - number * KILLS_PER_RUN
        done = sum(grid.kill(rng) for _ in range(min(KILLS_PER_RUN, left)))
        grid.finish()
        found = grid.files()
        differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        print(f"run {number}: {done} kills; differing: {differing[:3]}", file=sys.stderr)
        shutil.rmtree(grid.folder)
        return done, differing

    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        runs = list(pool.map(run, range(-(-n // KILLS_PER_RUN))))
    done, equal = sum(k for k, _ in runs), sum(k for k, differing in runs if not differing)
    ended = f"{len(runs)} runs of the smoke grid ended in an uninterrupted one's files"
    return f"{equal} of {done} kills lost nothing: {ended}"


class Grid:
    """The smoke grid in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()

    def start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
        return subprocess.Popen(
            [*command, "--configfile", str(SMOKE)], cwd=self.folder, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def finish(self) -> None:
        assert self.start().wait() == 0, self.folder

    def kill(self, rng: random.Random) -> int:
        """Start, wait a random time, and kill the whole run or one of its jobs; 0 if it had ended before."""
        process = self.start()
        time.sleep(rng.uniform(1.0, 6.0))
        if process.poll() is not None:
            return 0
        jobs = _descendants(process.pid)
        if jobs and rng.random() < 0.5:
            os.kill(rng.choice(jobs), signal.SIGKILL)
            time.sleep(rng.uniform(0.0, 2.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return 1

    def files(self) -> dict[str, bytes]:
        results = self.folder / "results" / "smoke"
        found = [path for part in COMPARED for path in sorted((results / part).rglob("*")) if path.is_file()]
        return {path.relative_to(results).as_posix(): path.read_bytes() for path in found}


def _descendants(pid: int) -> list[int]:
    """Processes started by a process, directly or not."""
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    return [int(child) for child in children] + [p for child in children for p in _descendants(int(child))]


if __name__ == "__main__":
    main()
