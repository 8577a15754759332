"""The lower bound, IW-M and the errors by level of one cell at its snapshots, on the way through training.

Random numbers are those of the finished model's evaluation, so differences along the way are paired.
"""

import argparse
import json

from workflow.scripts.evaluate import Evaluation
from workflow.scripts.job import job, use_one_thread_deterministically

TRACKED = ("lower_bound", "importance_weighted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what evaluation depends on, as JSON")
    parser.add_argument("--data", required=True)
    parser.add_argument("--snapshots", required=True)
    parser.add_argument("--record", required=True)
    args = parser.parse_args()
    with job():
        from cdae import checkpoint
        from cdae.computing.files import write_json

        use_one_thread_deterministically()
        records = []
        for n_updates, state in checkpoint.load_snapshots(args.snapshots).items():
            evaluation = Evaluation(args.config, args.data)
            model = evaluation.build()
            model.load_state_dict(state)
            evaluation.measure(model, [name for name in evaluation.estimators() if name in TRACKED])
            records.append(evaluation.record() | {"n_updates": n_updates})
        write_json(args.record, records)


if __name__ == "__main__":
    main()
