"""What every workload works with: images, the sizes of the work, and models as config/paper.yaml has them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from baselines.registry import model_class
from bench.timing import Clock, clock, stopwatch
from cdae.computing.precision import PROCESSOR
from cdae.computing.seeds import generator_from
from cdae.data import TrainingSet
from cdae.datasets.registry import loader
from cdae.training import fit

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config" / "paper.yaml"
INK = 0.2  # share of pixels of a synthetic image that are not 0, about that of MNIST


@dataclass(frozen=True)
class Images:
    """Training and test images, uint8 (n, 784), and what they are."""

    name: str
    train: np.ndarray
    test: np.ndarray


def load_images() -> Images:
    """MNIST where CDAE_DATA_ROOT has it, else synthetic images of the same shape."""
    if os.environ.get("CDAE_DATA_ROOT"):
        raw = loader("mnist")()
        return Images("MNIST", raw.train, raw.test)
    return synthetic_images(50_000, 10_000)


def synthetic_images(n_train: int, n_test: int) -> Images:
    """Pixels that are independent, mostly 0, and otherwise uniform."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (n_train + n_test, 784), dtype=np.uint8)
    levels *= rng.random(levels.shape, dtype=np.float32) < INK
    return Images("synthetic images of the shape of MNIST", levels[:n_train], levels[n_train:])


@dataclass(frozen=True)
class Sizes:
    """How much work a workload is; the tests have smaller ones."""

    hidden_sizes: tuple[int, ...] = (1024, 1024)
    batch_sizes: tuple[int, ...] = (512, 1024)
    n_loop_updates: int = 60  # of the peer's training loop, whose cost per example does not change
    n_epochs: int = 2  # of the trainings whose bounds are compared
    n_bound: int = 5_000  # examples of either split for such a bound
    many_levels: int = 100
    n_parzen: int = 10_000  # samples, and points
    n_sklearn: int = 10  # points of the peers, whose cost per point does not change
    n_logsumexp: int = 1_000
    n_gate: int = 200  # points that are checked against float64
    n_points: int = 1_000
    n_draws: int = 4
    n_annealed: int = 25
    n_distributions: int = 10
    n_annealed_updates: int = 100  # of the model that is annealed
    vae_hidden_sizes: tuple[int, ...] = (200, 200)
    n_vae_updates: int = 1_000
    n_simulated: int = 64
    n_gap_distributions: int = 100
    n_temperatures: int = 300  # of the tutorial's annealing
    n_chains: int = 256
    n_steps: int = 30
    n_products: int = 20


@dataclass(frozen=True)
class Workbench:
    """Images, the number of rounds, the sizes of the work, whether the default grid, minutes, is timed as well, and
    where the work is done."""

    images: Images
    n_repeats: int
    sizes: Sizes = field(default_factory=Sizes)
    with_grid: bool = False
    device: torch.device = PROCESSOR

    @cached_property
    def config(self) -> dict[str, Any]:
        return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))

    @cached_property
    def training_set(self) -> TrainingSet:
        return TrainingSet(torch.from_numpy(self.images.train), 256, unit_interval=True).to(self.device)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the configured training of a CDAE."""
        return self.config["models"]["cdae-geometric"]["training"]

    def model(
        self, name: str = "cdae-geometric", *, n_levels: int = 4, hidden_sizes: tuple[int, ...] = (), seed: int = 0
    ) -> Any:
        """An untrained model, as configured but for the size of its network, the bench's own if none is given."""
        sizes = hidden_sizes or self.sizes.hidden_sizes
        options = {**self.config["models"][name], "n_levels": n_levels, "hidden_sizes": sizes}
        generator, training_set = generator_from("bench", name, n_levels, seed), self.training_set.to(PROCESSOR)
        return model_class(options["kind"]).build(options, training_set, generator=generator).to(self.device)

    def trained(self, model: Any, n_updates: int) -> Any:
        """The model after a short training, with its parameters fixed."""
        fit(
            model,
            self.training_set,
            **{name: self.settings()[name] for name in ("batch_size", "learning_rate", "matmul_precision")},
            n_updates=n_updates,
            generator=self.generator("short training"),
            progress=lambda line: None,
        )
        return model.requires_grad_(False)

    def test_images(self, n: int) -> torch.Tensor:
        """Test images in [0, 1], dequantized."""
        images = TrainingSet(torch.from_numpy(self.images.test[:n]), 256)
        return images.draw(generator=generator_from("bench", "test")).to(self.device)

    def generator(self, *purpose: str | int) -> torch.Generator:
        return generator_from("bench", *purpose, device=self.device)

    def clock(self, action: Callable[[], Any]) -> Clock:
        """A task of which every second counts."""
        return clock(action, stopwatch(self.device))
