"""Measure everything beside its peers, and write results/bench: bench.csv, bench.md, bench.svg and .png, machine.json.

CPU time on one core, tasks in turns, medians; MNIST where CDAE_DATA_ROOT has it, else synthetic images of its shape.
"""

import argparse
import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import figure, gaps, gpu, parzen, pipeline, report, sampling, training
from bench.quantities import Measured
from bench.timing import all_cpu_seconds
from bench.workbench import Images, Workbench, load_images
from cdae.computing.files import read_json, write_json
from workflow.grid.machine import kind as machine
from workflow.grid.machine import probe_seconds
from workflow.jobs.process import use_one_thread_deterministically

RESULTS, REFERENCE = Path("results/bench"), Path("results/reference/bench")
TABLE, MACHINE = "bench.csv", "machine.json"
N_REPEATS = 5

WORKLOADS: dict[str, Callable[[Workbench], dict[str, Measured]]] = {
    "training": training.training,
    "free-batch": training.free_batch,
    "float32": training.float32,
    "levels": training.levels,
    "parzen": parzen.windows,
    "importance": sampling.importance_weights,
    "annealing": sampling.annealed,
    "annealing-tutorial": gaps.over_a_tutorials,
    "chains": sampling.chains,
    "memory": pipeline.memory,
    "again": pipeline.again,
    "job": pipeline.job,
    "grid": pipeline.second_core,
    "gpu": gpu.workloads,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=list(WORKLOADS), help=", ".join(WORKLOADS))
    parser.add_argument("--repeats", type=int, default=N_REPEATS, metavar="N", help=f"rounds, {N_REPEATS} if not given")
    parser.add_argument("--grid", action="store_true", help="time the default grid on one core and on two, too")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error(f"--repeats: got {args.repeats}, expected at least 1")
    names = [args.only] if args.only else list(WORKLOADS)
    tell(estimate(names, args.repeats))
    use_one_thread_deterministically()
    images = load_images()
    rows = measure(Workbench(images, args.repeats, with_grid=args.grid), names)
    write(RESULTS, rows, images, args.repeats)
    print((RESULTS / "bench.md").read_text(encoding="utf-8"))


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def measure(bench: Workbench, names: list[str]) -> list[report.Row]:
    """The rows of some workloads, with a line before and after each."""
    rows = []
    for number, name in enumerate(names, start=1):
        tell(f"{number} of {len(names)}: {name}")
        start = all_cpu_seconds()
        measured = WORKLOADS[name](bench)
        seconds = (all_cpu_seconds() - start) / len(measured)
        rows += [report.Row(name, key, value, seconds) for key, value in measured.items()]
        for row in rows[-len(measured) :]:
            tell(f"  {row.quantity.what}: {row.written}; {row.measured.note}; {seconds:.0f} s")
    return rows


def write(folder: Path, rows: list[report.Row], images: Images, n_repeats: int) -> None:
    report.write_csv(folder / TABLE, rows)
    facts = machine() | {"images": images.name, "n_repeats": n_repeats, "probe_seconds": round(probe_seconds(), 4)}
    write_json(folder / MACHINE, facts)
    report.write_markdown(folder / "bench.md", rows, head(facts))
    figure.draw(folder / "bench", rows)


def head(facts: dict[str, Any]) -> str:
    """On what, and how, from the facts in machine.json."""
    return (
        f"CPU time on one core of {facts['processor']}, torch {facts['torch']}; {facts['images']}, a denoiser "
        f"784-1024-1024-784; medians of {facts['n_repeats']}, in turns with the peers. The tutorial's loop: "
        "DataLoader, ToTensor and torch's Adam. The tutorial's annealing: of a VAE 784-200-200-50, from the prior, by "
        "Hamiltonian Monte Carlo with 10 leapfrog steps. Written by `make bench`."
    )


def estimate(names: list[str], n_repeats: int) -> str:
    """How long it will take, from the committed seconds and the probe of this machine."""
    if not (REFERENCE / TABLE).is_file():
        return "about ten minutes for everything"
    facts = read_json(REFERENCE / MACHINE)
    with (REFERENCE / TABLE).open(encoding="utf-8", newline="") as file:
        seconds = sum(float(row["cpu_seconds"]) for row in csv.DictReader(file) if row["workload"] in names)
    scale = probe_seconds() / facts["probe_seconds"] * n_repeats / facts["n_repeats"]
    return f"about {max(1.0, scale * seconds / 60.0):.0f} minutes of CPU time"
