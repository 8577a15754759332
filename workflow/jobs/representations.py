"""How much of the class a representation tells, with all labels and with few, by its errors on the test split."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from cdae.estimators.progress import to_stderr
from cdae.quality.principal import principal_components
from cdae.quality.probe import balanced, neighbour_errors, probe_errors
from cdae.quality.representation import representation
from cdae.statistics import mean_and_error
from workflow.grid.quality_record import REPRESENTATION, QualityRow
from workflow.grid.record import FAILED
from workflow.jobs.labelled_examples import LabelledExamples
from workflow.jobs.process import reason

ERRORS = {"probe_error": probe_errors, "neighbour_error": neighbour_errors}


class Representations:
    """The dequantized examples of one data set with their labels, the same for all of its models.

    Few labels are drawn so often as `n_draws` says, balanced, and every representation has the same ones.
    """

    def __init__(self, examples: LabelledExamples):
        self.examples, self.settings = examples, examples.settings["representation"]
        self.labels = {split: labels.to(examples.device) for split, labels in examples.labels.items()}
        self.seen = examples.data.training.draw(generator=examples.generator("representation"))

    def rows(self, model: torch.nn.Module, variant: str = "") -> list[QualityRow]:
        """Of a model with a representation, a row for all labels and one for every smaller number of them."""
        return self.of(lambda x: representation(model, x), variant)

    def controls(self) -> Iterator[QualityRow]:
        """The examples themselves, their principal components, and the hidden layer of an untrained network."""
        untrained = self.examples.untrained().to(self.examples.device)
        yield from self.of(lambda x: x, "raw pixels")
        yield from self.of(principal_components(self.seen), "principal components")
        yield from self.of(untrained.features, "untrained network")

    def of(self, features: Callable[[Tensor], Tensor | None], variant: str) -> list[QualityRow]:
        seen = features(self.seen)
        if seen is None:
            return []
        unseen = features(self.examples.data.examples)
        assert unseen is not None, "what is had of some examples is had of all"
        everything = torch.arange(len(seen), device=seen.device)
        rows = [self._row(seen, unseen, [everything], variant)]
        for n in self.settings["n_labels"]:
            rows.append(self._of_few(seen, unseen, n, variant))
        return rows

    def _of_few(self, seen: Tensor, unseen: Tensor, n: int, variant: str) -> QualityRow:
        """A number of labels that no balanced draw can have fails its row."""
        generator, counts = self.examples.generator(f"representation from {n} labels"), {"n_labels": n}
        try:
            draws = [balanced(self.labels["train"], n, generator=generator) for _ in range(self.settings["n_draws"])]
        except ValueError as error:
            why = reason(error)
            return QualityRow(estimator=REPRESENTATION, variant=variant, status=FAILED, reason=why, counts=counts)
        return self._row(seen, unseen, draws, variant)

    def _row(self, seen: Tensor, unseen: Tensor, draws: list[Tensor], variant: str) -> QualityRow:
        """Errors per test example, averaged over draws of training examples; their spread between draws is apart."""
        labels, measures = self.labels["train"], {}
        to_stderr(f"representation, {variant or 'after training'}: {len(draws[0])} labels, {len(draws)} draws")
        for name, errors in ERRORS.items():
            found = torch.stack([errors(seen[d], labels[d], unseen, self.labels["test"]) for d in draws])
            measures[name], measures[f"{name}_standard_error"] = mean_and_error(found.mean(0))
            if len(draws) > 1:
                measures[f"{name}_draw_std"] = found.mean(1).std().item()
        counts = {"n_labels": len(draws[0]), "n_draws": len(draws), "n_features": seen.shape[1]}
        return QualityRow(estimator=REPRESENTATION, variant=variant, counts=counts, measures=measures)
