"""The same work on an NVIDIA GPU, where there is one: seconds are on the wall, and the table names the card.

A denoiser, its data and its random numbers are on the card. Nothing is compared with a processor.
"""

from dataclasses import replace

import torch

from bench import sampling, training
from bench.parzen import BANDWIDTHS, pixels
from bench.quantities import Measured
from bench.timing import medians
from bench.workbench import Workbench
from cdae.estimators import parzen

BATCH_SIZE = 1_024
NAMES = ("gpu-training", "gpu-parzen", "gpu-importance", "gpu-annealing")


def workloads(bench: Workbench) -> dict[str, Measured]:
    """Every row, or why there is none."""
    if not torch.cuda.is_available():
        return {name: Measured(None, "no NVIDIA GPU here") for name in NAMES}
    device = torch.device("cuda")
    card = torch.cuda.get_device_name(device)
    rows = on_device(replace(bench, device=device))
    return {name: replace(measured, note=f"{card}: {measured.note}") for name, measured in rows.items()}


def on_device(bench: Workbench) -> dict[str, Measured]:
    """Training, Parzen windows, importance weights and annealing, on the bench's own device."""
    return {
        "gpu-training": speed_of_training(bench),
        "gpu-parzen": seconds_of_windows(bench),
        "gpu-importance": sampling.importance_weights(bench)["importance"],
        "gpu-annealing": sampling.annealed(bench)["annealing"],
    }


def speed_of_training(bench: Workbench) -> Measured:
    """Millions of examples per second, whole epochs with their refits."""
    seconds = medians({"ours": training.ours(bench, batch_size=BATCH_SIZE)}, bench.n_repeats)
    return Measured(1e-6 / seconds["ours"], f"batch {BATCH_SIZE}, {bench.settings()['matmul_precision']}")


def seconds_of_windows(bench: Workbench) -> Measured:
    """Training images as samples, test images as points, as on the processor."""
    n = bench.sizes.n_parzen
    samples, x = (pixels(images, n).to(bench.device) for images in (bench.images.train, bench.images.test))
    ours = bench.clock(lambda: parzen.log_density_by_bandwidth(samples, x, bandwidths=BANDWIDTHS))
    return Measured(medians({"ours": ours}, bench.n_repeats)["ours"], f"{n:,} samples, {n:,} points, 11 bandwidths")
