"""Print what a model gets, before anything runs: each estimator with "runs", or which method is missing."""

import argparse
import sys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", help='a kind of model, such as vae, or "my_module:MyModel", or "path/file.py:MyModel"')
    args = parser.parse_args()
    from workflow.jobs.description import describe  # here: it takes a second, and --help does not

    try:
        print(describe(args.kind))
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
