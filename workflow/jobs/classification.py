"""The classifier of one data set, and the quality of controls that need no model: what samples are compared with."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cdae import checkpoint
from cdae.computing.device import choose
from cdae.computing.files import DamagedFileError, write_record
from cdae.computing.seeds import generator_from, seed_from
from cdae.data import EvaluationSet, load_evaluation_set
from cdae.quality.blurred import blurred
from cdae.quality.classifier import Classifier, train
from cdae.quality.judge import Judge
from cdae.quality.labels import load_labels
from workflow.grid.quality_record import SAMPLES, QualityRecord, QualityRow
from workflow.grid.record import FAILED, NOT_RUN, OK, Identity
from workflow.jobs.process import is_out_of_memory, reason, use_one_thread_deterministically


def run(config: dict[str, Any], hashes: dict[str, str], data: Path, weights: Path, record: Path) -> None:
    """Train the classifier and judge the controls, and write its weights and the record; or why there is none.

    Args:
        hashes: config_sha256 and code_sha256.
    """
    use_one_thread_deterministically()
    identity = Identity(config["dataset"], "", "control", None, 0)
    found: dict[str, Any] = {"rows": [], "status": OK}
    classifier = None
    try:
        job = Classification(config, data)
        classifier, found["facts"] = job.train()
        found["rows"] = job.controls(classifier)
    except Exception as error:
        if isinstance(error, OSError | DamagedFileError):
            raise
        traceback.print_exc()
        status = NOT_RUN if is_out_of_memory(error) else FAILED
        row = QualityRow(estimator=SAMPLES, variant="classifier", status=status, reason=reason(error))
        found, classifier = {"rows": [row], "status": status, "reason": row.reason}, None
    checkpoint.save(torch.nn.Module() if classifier is None else classifier, weights)
    write_record(record, QualityRecord(identity=identity, **found, **hashes).to_json())


class Classification:
    """The examples of one data set, without dequantization, and its classifier.

    Cells of the data set make the same judge of the same configuration, with `judge`.
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
        generator = self._generator("initialisation", "cpu")
        return Classifier.build(examples, self.settings["classifier"]["hidden_sizes"], n_classes, generator=generator)

    def train(self) -> tuple[Classifier, dict[str, float]]:
        """The trained classifier, and its errors on training and on test examples."""
        classifier, labels = self.untrained().to(self.device), self._on_device(self.labels)
        examples = self.data.training.pixels()
        settings = self.settings["classifier"]["training"]
        train(classifier, examples, labels["train"], settings, generator=self._generator("training"))
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

    def controls(self, classifier: Classifier) -> list[QualityRow]:
        """Real examples that nobody trained on and, of images, blurred training examples."""
        judge = self.judge(classifier)
        return [row(judge, values, variant=name) for name, values in self._controls()]

    def _controls(self) -> Iterator[tuple[str, Tensor]]:
        n, shape = self.settings["n_samples"], self.data.training.image_shape
        for name, examples in (
            ("real examples", self.data.validation_pixels),
            ("blurred training examples", self.data.training.pixels()),
        ):
            order = torch.randperm(len(examples), generator=self._generator(name), device=self.device)
            some = examples[order[:n]]
            if name == "real examples":
                yield name, some
            elif shape is not None:
                yield name, blurred(some, shape)

    def _on_device(self, labels: dict[str, Tensor]) -> dict[str, Tensor]:
        return {split: values.to(self.device) for split, values in labels.items()}

    def _generator(self, purpose: str, device: torch.device | str | None = None) -> torch.Generator:
        return generator_from(*self._words(purpose), device=device or self.device)

    def _seed(self, purpose: str) -> int:
        return seed_from(*self._words(purpose))

    def _words(self, purpose: str) -> tuple[str | int, ...]:
        return self.config["base_seed"], self.config["dataset"], "classifier", purpose


def row(judge: Judge, samples: Tensor, **fields: Any) -> QualityRow:
    """The row of one set of samples; what is wrong with them is its reason."""
    counts = {"n_samples": len(samples), "n_real": len(judge.real)}
    try:
        measures = judge.scores(samples).summary()
    except (ArithmeticError, ValueError) as error:
        traceback.print_exc()
        return QualityRow(estimator=SAMPLES, status=FAILED, reason=reason(error), counts=counts, **fields)
    return QualityRow(estimator=SAMPLES, counts=counts, measures=measures, **fields)
