"""The classifier of one data set, and the quality of controls that need no model: what samples are compared with."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cdae import checkpoint
from cdae.computing.files import DamagedFileError, write_record
from cdae.quality.blurred import blurred
from cdae.quality.judge import Judge
from workflow.grid.quality_record import SAMPLES, QualityRecord, QualityRow
from workflow.grid.record import FAILED, NOT_RUN, OK, Identity
from workflow.jobs.denoisers import Denoisers
from workflow.jobs.labelled_examples import LabelledExamples
from workflow.jobs.process import is_out_of_memory, reason, use_one_thread_deterministically
from workflow.jobs.representations import Representations

REAL, BLURRED = "real examples", "blurred training examples"  # controls


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
        examples = LabelledExamples(config, data)
        classifier, found["facts"] = examples.train()
        found["rows"] = controls(examples, examples.judge(classifier))
    except Exception as error:
        if isinstance(error, OSError | DamagedFileError):
            raise
        traceback.print_exc()
        status = NOT_RUN if is_out_of_memory(error) else FAILED
        failed = QualityRow(estimator=SAMPLES, variant="classifier", status=status, reason=reason(error))
        found, classifier = {"rows": [failed], "status": status, "reason": failed.reason}, None
    checkpoint.save(torch.nn.Module() if classifier is None else classifier, weights)
    write_record(record, QualityRecord(identity=identity, **found, **hashes).to_json())


def controls(examples: LabelledExamples, judge: Judge) -> list[QualityRow]:
    """Sets of examples in place of samples and, where it is asked for, representations and denoisers of no model."""
    rows = [row(judge, values, variant=name) for name, values in _sets(examples)]
    for name, measured in {"representation": Representations, "denoising": Denoisers}.items():
        if name in examples.settings:
            rows += measured(examples).controls()
    return rows


def _sets(examples: LabelledExamples) -> Iterator[tuple[str, Tensor]]:
    """Real examples that nobody trained on and, of images, blurred training examples."""
    n, seen = examples.settings["n_samples"], examples.data.training
    yield REAL, _some(examples, examples.data.validation_pixels, n, REAL)
    if seen.image_shape is not None:
        yield BLURRED, blurred(_some(examples, seen.pixels(), n, BLURRED), seen.image_shape)


def _some(examples: LabelledExamples, values: Tensor, n: int, purpose: str) -> Tensor:
    """Random ones, all of them where there are no more than n."""
    return values[torch.randperm(len(values), generator=examples.generator(purpose), device=examples.device)[:n]]


def row(judge: Judge, samples: Tensor, **fields: Any) -> QualityRow:
    """The row of one set of samples; what is wrong with them is its reason."""
    counts = {"n_samples": len(samples), "n_real": len(judge.real)}
    try:
        measures = judge.scores(samples).summary()
    except (ArithmeticError, ValueError) as error:
        traceback.print_exc()
        return QualityRow(estimator=SAMPLES, status=FAILED, reason=reason(error), counts=counts, **fields)
    return QualityRow(estimator=SAMPLES, counts=counts, measures=measures, **fields)
