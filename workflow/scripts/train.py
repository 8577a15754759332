"""Train the model of one cell, or record why it could not be trained."""

import argparse
import json
import traceback
from pathlib import Path
from typing import Any

from workflow.scripts import trained
from workflow.scripts.job import is_failure_of_the_machine, job, reason, use_one_thread_deterministically


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what training depends on, as JSON")
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--snapshots", required=True)
    parser.add_argument("--record", required=True)
    args = parser.parse_args()
    with job():
        import torch
        from torch import nn

        from cdae import checkpoint
        from cdae.computing.files import write_json

        use_one_thread_deterministically()
        snapshots: dict[int, Any] = {}
        try:
            model, record = train(args.config, args.data, snapshots)
        except Exception as error:
            if is_failure_of_the_machine(error):
                raise
            traceback.print_exc()
            model, record = nn.Module(), {"status": "failed", "reason": reason(error)}
        checkpoint.save(model, args.weights)
        checkpoint.save_snapshots(snapshots, args.snapshots)
        write_json(args.record, {**record, "config": args.config, "torch": torch.__version__})


def train(config: dict[str, Any], data: str | Path, snapshots: dict[int, Any]) -> Any:
    """The trained model and the record of its training; fills `snapshots` with its states on the way."""
    from cdae.data import load_training_set
    from cdae.interfaces import Fitted, Trainable

    training_set = load_training_set(data)
    model = trained.build(config, training_set)
    record: dict[str, Any] = {"status": "ok"}
    if isinstance(model, Trainable):
        from cdae import checkpoint
        from cdae.training import fit

        device = trained.device(config)
        history = fit(
            model.to(device),
            training_set.to(device),
            **config["options"]["training"],
            generator=trained.generator(config, "training"),
            on_snapshot=lambda n_updates, snapshot: snapshots.update({n_updates: checkpoint.state(snapshot)}),
        )
        record |= {"n_updates": history.n_updates, "loss": history.loss}
    elif isinstance(model, Fitted):
        on_processor = {**config, "device": "cpu"}  # NumPy and scikit-learn know no other
        model.fit_closed_form(training_set, generator=trained.generator(on_processor, "training"))
    return model, record


if __name__ == "__main__":
    main()
