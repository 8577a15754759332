"""The labelled examples of one data set, and the classifier and the judge that are made of them.

The jobs of all cells of a data set make them anew, and the same, from the same configuration.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cdae.computing.device import choose
from cdae.computing.seeds import generator_from, seed_from
from cdae.data import EvaluationSet, load_evaluation_set
from cdae.quality.classifier import Classifier, train
from cdae.quality.judge import Judge
from cdae.quality.labels import load_labels


class LabelledExamples:
    """The examples of one data set, the labels of its splits, and how samples are judged.

    Args:
        config: of the job of a classifier or of a cell.
        data: the prepared file.
    """

    def __init__(self, config: dict[str, Any], data: Path):
        self.config, self.settings = config, config["quality"]
        self.device = choose(config.get("device", "cpu"))
        self.labels = load_labels(data)
        self.data: EvaluationSet = load_evaluation_set(data).to(self.device)

    def untrained(self) -> Classifier:
        """On the processor, where its parameters start the same for every device."""
        n_classes = int(self.labels["train"].max()) + 1
        examples = self.data.training.pixels().cpu()
        generator = self.generator("initialisation", "cpu")
        return Classifier.build(examples, self.settings["classifier"]["hidden_sizes"], n_classes, generator=generator)

    def train(self) -> tuple[Classifier, dict[str, float]]:
        """The trained classifier, and its errors on training and on test examples."""
        classifier, labels = self.untrained().to(self.device), self._on_device(self.labels)
        examples = self.data.training.pixels()
        settings = self.settings["classifier"]["training"]
        train(classifier, examples, labels["train"], settings, generator=self.generator("training"))
        seen, unseen = classifier.error(examples, labels["train"]), classifier.error(self.data.pixels, labels["test"])
        facts = {"train_error": seen.mean().item(), "test_error": unseen.mean().item()}
        return classifier, facts | {"n_train": len(seen), "n_test": len(unseen)}

    def judge(self, classifier: Classifier) -> Judge:
        """Samples beside a random subset of the test split, the same for every model of the data set."""
        subset = self.data.random_subset(self.settings["n_samples"], seed=self._seed("real examples"))
        return Judge(
            classifier,
            self.data.pixels[subset.to(self.device)],
            self.data.training.pixels(),
            self.data.training.n_intensity_levels,
            self.settings["n_neighbours"],
        )

    def _on_device(self, labels: dict[str, Tensor]) -> dict[str, Tensor]:
        return {split: values.to(self.device) for split, values in labels.items()}

    def generator(self, purpose: str, device: torch.device | str | None = None) -> torch.Generator:
        """Random numbers of one purpose, the same for every model of the data set."""
        return generator_from(*self._words(purpose), device=device or self.device)

    def _seed(self, purpose: str) -> int:
        return seed_from(*self._words(purpose))

    def _words(self, purpose: str) -> tuple[str | int, ...]:
        return self.config["base_seed"], self.config["dataset"], "classifier", purpose
