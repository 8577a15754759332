"""Training of any `Trainable` model: Adam with a cosine learning rate over a fixed number of updates.

Before every epoch the training set is dequantized afresh, and the model's closed-form parts are refitted (Eq. 9) on a
fixed subset of it. After the last update, and for every snapshot, they are refitted on the whole training set.
Not here: the definition of the loss.
"""

import copy
import math
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam  # the functional form: the Adam class imports the compiler, a second per process

from cdae.computing import precision
from cdae.computing.chunks import passes_per_example
from cdae.computing.seeds import spawn
from cdae.data import TrainingSet
from cdae.interfaces import DivergenceError, Trainable

# Limits of the refit before each epoch, which would otherwise cost more than the epoch.
REFIT_EXAMPLES = 512
REFIT_PASSES = 16_384  # passes through the network: examples times levels


@dataclass
class History:
    """The loss during training, with one entry per epoch.

    Attributes:
        loss: the mean loss of the epoch's batches, in the unit of the model's loss.
        n_updates: the number of updates made by the end of the epoch.
    """

    loss: list[float] = field(default_factory=list)
    n_updates: list[int] = field(default_factory=list)


class _Adam:
    """The state of torch's functional Adam for one set of parameters."""

    def __init__(self, parameters: list[Tensor]):
        self.parameters = parameters
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in parameters]

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """Take one step down the gradient of the loss."""
        gradients = list(torch.autograd.grad(loss, self.parameters, materialize_grads=True))
        with torch.no_grad():
            adam(
                self.parameters, gradients, self.means, self.squares, [], self.steps,
                fused=True, amsgrad=False, beta1=0.9, beta2=0.999, lr=learning_rate, weight_decay=0.0, eps=1e-8,
                maximize=False,
            )  # fmt: skip


def cosine_learning_rate(learning_rate: float, update: int, n_updates: int) -> float:
    """Return the learning rate of an update; it falls as half a cosine from `learning_rate` at 0 to 0 at n_updates."""
    return 0.5 * learning_rate * (1.0 + math.cos(math.pi * update / n_updates))


def fit(
    model: Trainable,
    training_set: TrainingSet,
    *,
    n_updates: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
    matmul_precision: str = "highest",
    snapshots: Collection[int] = (),
    on_snapshot: Callable[[int, Trainable], None] = lambda n_updates, snapshot: None,
    progress: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> History:
    """Train `model` in place and return its loss history.

    Args:
        training_set: the training examples; `TrainingSet(values)` wraps a tensor.
        n_updates: the number of gradient steps; an epoch is one pass over the training set.
        batch_size: the number of examples of an update; the last batch of an epoch may be smaller.
        learning_rate: the learning rate of the first update; see `cosine_learning_rate`.
        generator: the source of the data order, the dequantization and the corruption, as separate streams; on the
            device of the model and of the training set.
        matmul_precision: the precision of updates, "highest", "medium" or "bfloat16" (`precision`). Refits use "medium"
            where updates use "bfloat16".
        snapshots: numbers of updates. After each, `on_snapshot` is called with the number and with a copy of the model
            whose closed-form parts are refitted as at the end. Snapshots do not change the training.
        on_snapshot: receives the number of updates and the copy of the model.
        progress: receives a line of text about ten times in a run.

    Raises:
        DivergenceError: if the loss, a parameter or a refitted part is NaN or infinite.
        ValueError: if n_updates, batch_size or learning_rate is not positive.
    """
    for name, value in [("n_updates", n_updates), ("batch_size", batch_size), ("learning_rate", learning_rate)]:
        if not value > 0:
            raise ValueError(f"{name}: got {value}, expected a number above 0")
    order, dequantization, corruption, refitting, for_snapshots = spawn(generator, 5)
    history, optimizer, update, device = History(), _Adam(list(model.parameters())), 0, training_set.values.device
    refit_subset = torch.randperm(len(training_set), generator=refitting, device=device)[: examples_of_a_refit(model)]
    next_report = 0.0
    with precision.matmul_precision(matmul_precision, device):
        while update < n_updates:
            x = training_set.draw(generator=dequantization)
            model.refit(x[refit_subset], generator=refitting)
            batches = torch.randperm(len(x), generator=order, device=device).split(batch_size)[: n_updates - update]
            total = torch.zeros((), dtype=torch.float64, device=device)
            for batch in batches:
                with precision.layers(matmul_precision, device):
                    loss = model.loss(x[batch], generator=corruption)
                optimizer.update(loss, cosine_learning_rate(learning_rate, update, n_updates))
                total += loss.detach()
                update += 1
                if update in snapshots:
                    snapshot = copy.deepcopy(model)
                    snapshot.refit(training_set.draw(generator=for_snapshots), generator=for_snapshots)
                    on_snapshot(update, snapshot)
            del x  # before another draw as large as the training set
            _record(history, total.item() / len(batches), update)
            if update >= next_report * n_updates:
                progress(f"update {update} of {n_updates}: loss {history.loss[-1]:.4g}")
                next_report += 0.1
        if not all(parameter.isfinite().all() for parameter in model.parameters()):
            raise DivergenceError(f"parameters that are not finite after {update} updates")
        model.refit(training_set.draw(generator=dequantization), generator=refitting)
    return history


def examples_of_a_refit(model: Any) -> int:
    """Return the number of examples that the refit before an epoch uses, at least 1.

    It is `REFIT_EXAMPLES`, or fewer if the model has so many levels that the passes would exceed `REFIT_PASSES`.
    """
    return max(1, min(REFIT_EXAMPLES, REFIT_PASSES // passes_per_example(model)))


def _record(history: History, mean_loss: float, update: int) -> None:
    if not math.isfinite(mean_loss):
        raise DivergenceError(f"mean loss {mean_loss} after {update} updates")
    history.loss.append(mean_loss)
    history.n_updates.append(update)
