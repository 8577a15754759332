"""Judge the samples of one trained model in the features of its data set's classifier."""

import argparse
import json
from pathlib import Path

from workflow.jobs.process import job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what the quality depends on, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--training", required=True, type=Path, help="the record of training")
    parser.add_argument("--classifier", required=True, type=Path, help="the weights of the classifier")
    parser.add_argument("--classified", required=True, type=Path, help="the record of the classifier")
    parser.add_argument("--record", required=True, type=Path)
    args = parser.parse_args()
    with job():
        from workflow.jobs import quality  # here: torch must find the process set up

        inputs = args.data, args.weights, args.training, args.classifier, args.classified
        quality.run(args.config, args.hashes, *inputs, args.record)


if __name__ == "__main__":
    main()
