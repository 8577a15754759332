"""The quality of the samples of one trained model, in the features of its data set's classifier, and how it mixes."""

import traceback
from pathlib import Path
from typing import Any

import torch

from cdae import checkpoint
from cdae.computing.files import read_record, write_record
from cdae.estimators.progress import to_stderr
from cdae.interfaces import Samples, SampleSet
from cdae.quality.judge import Judge
from workflow.grid.quality_record import BEFORE_TRAINING, SAMPLES, QualityRecord, QualityRow
from workflow.grid.record import FAILED, NOT_RUN, OK
from workflow.jobs import classification
from workflow.jobs.cell import CellJob
from workflow.jobs.chains import Chains
from workflow.jobs.denoisers import Denoisers
from workflow.jobs.labelled_examples import LabelledExamples
from workflow.jobs.process import (
    is_failure_of_the_machine,
    is_out_of_memory,
    reason,
    use_one_thread_deterministically,
)
from workflow.jobs.representations import Representations


def run(
    config: dict[str, Any],
    hashes: dict[str, str],
    data: Path,
    weights: Path,
    training: Path,
    classifier: Path,
    classified: Path,
    record: Path,
) -> None:
    """Judge, and write the record.

    Args:
        hashes: config_sha256 and code_sha256.
        training, classified: the records of the model and of the classifier; if one failed, one row fails with its
            reason.
        classifier: the weights of the classifier.
    """
    use_one_thread_deterministically()
    trained, known = read_record(training), read_record(classified)
    quality = Quality(CellJob(config).with_levels(trained.get("relative_std")), data)
    if trained["status"] != OK:
        quality.fail(trained["status"], trained["reason"])
    elif known["status"] != OK:
        quality.fail(known["status"], f"the classifier: {known['reason']}")
    else:
        quality.run_all(weights, classifier)
    found = QualityRecord(identity=quality.cell.identity, rows=quality.rows, status=quality.status, **hashes)
    write_record(record, found.to_json())


class Quality:
    """The rows of one cell, as they are made."""

    def __init__(self, cell: CellJob, data: Path):
        self.cell, self.data = cell, data
        self.status = OK
        self.rows: list[QualityRow] = []

    def run_all(self, weights: Path, classifier: Path) -> None:
        """Judge everything; a failure is a row beside what was judged before it, or alone for lack of memory."""
        try:
            with torch.no_grad():
                self.run(weights, classifier)
        except Exception as error:
            if is_failure_of_the_machine(error) and not is_out_of_memory(error):
                raise
            traceback.print_exc()
            if is_out_of_memory(error):
                self.rows = []
            self.fail(NOT_RUN if is_out_of_memory(error) else FAILED, reason(error))

    def fail(self, status: str, why: str) -> None:
        """There is nothing to judge: one row says so."""
        self.status = NOT_RUN if status == NOT_RUN else OK
        self.rows.append(QualityRow(estimator=SAMPLES, status=status, reason=why))

    def run(self, weights: Path, classifier: Path) -> None:
        """Load model and classifier, and judge every variant of the model's samples."""
        examples = LabelledExamples(self.cell.config, self.data)
        known = examples.untrained().to(self.cell.device)
        checkpoint.load(known, classifier)
        judge = examples.judge(known)
        model = self.cell.build(examples.data.training).to(self.cell.device)
        checkpoint.load(model, weights)
        self.judge_samples(model, judge)
        if "mixing" in self.cell.config["quality"]:
            chains = Chains(judge, examples.data.training, self.cell.config["quality"]["mixing"], self.cell.generator)
            self.rows += chains.rows(model)
        if "representation" in self.cell.config["quality"]:
            known = Representations(examples)
            untrained = self.cell.build(examples.data.training).to(self.cell.device)
            self.rows += [*known.rows(model), *known.rows(untrained, BEFORE_TRAINING)]
        if "denoising" in self.cell.config["quality"]:
            self.rows += Denoisers(examples).rows(model)

    def judge_samples(self, model: torch.nn.Module, judge: Judge) -> None:
        """A row for every variant; a variant that gives more samples than are asked for is cut."""
        assert isinstance(model, Samples), "the grid judges no other"
        n = self.cell.config["quality"]["n_samples"]
        to_stderr(f"samples: draw {n}")
        for samples in model.sample_sets(n, generator=self.cell.generator("quality")):
            to_stderr(f"samples: judge {samples.variant.words}")
            self.rows.append(classification.row(judge, samples.values[:n].float(), **of_variant(samples)))


def of_variant(samples: SampleSet) -> dict[str, Any]:
    """The fields of a row that say which samples it is of."""
    variant = samples.variant
    return {
        "variant": variant.words,
        "last_step": variant.last_step,
        "chain_start": variant.chain_start,
        "n_chain_steps": variant.n_chain_steps,
    }
