"""Run every estimator that fits the model of one cell, and record the rows, the per-example values and the pictures.

An estimator that raises, or whose lower bound lies above the exact value, makes a row with status "failed" and its
reason; the other rows stand.
"""

import argparse
import json
import traceback
from collections.abc import Callable
from typing import Any

from workflow.scripts import trained
from workflow.scripts.job import is_failure_of_the_machine, job, reason, use_one_thread_deterministically
from workflow.scripts.measured import mean_and_error, measured

N_PICTURES = 64  # samples kept for the figures
N_POINTS = 2_000  # the same, for data in few dimensions, which are shown as points
N_RECONSTRUCTIONS = 8
N_TRAINING_EXAMPLES = 1_000  # at most, on which a bound or an exact density is computed too
ON_BOTH_SPLITS = ("exact", "lower_bound", "markov_bound")  # whose values on training examples are known too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what evaluation depends on, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--training", required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--values", required=True)
    parser.add_argument("--pictures", required=True)
    args = parser.parse_args()
    with job():
        from cdae.computing.files import read_json, write_json, write_npz

        use_one_thread_deterministically()
        training = read_json(args.training)
        evaluation = Evaluation(args.config, args.data)
        if training["status"] == "ok":
            evaluation.run(args.weights)
        else:
            evaluation.fail_all(training["reason"])
        write_npz(args.values, evaluation.values)
        write_npz(args.pictures, evaluation.pictures)
        n_updates = training.get("n_updates", [None])[-1]
        write_json(args.record, evaluation.record() | {"n_updates": n_updates} | args.hashes)


class Evaluation:
    """The rows, values and pictures of one cell, as they are made."""

    def __init__(self, config: dict[str, Any], data: str):
        from baselines.registry import model_class
        from cdae.data import load_evaluation_set

        self.config, self.options = config, config["options"]
        self.model_class = model_class(self.options["kind"])
        self.data = load_evaluation_set(data).to(trained.device(config))
        self.rows: list[dict[str, Any]] = []
        self.values: dict[str, Any] = {}
        self.pictures: dict[str, Any] = {}
        self.levels: dict[str, Any] = {}
        self.training_examples: dict[str, Any] = {}

    def generator(self, purpose: str) -> Any:
        return trained.generator(self.config, purpose)

    def run(self, weights: str) -> None:
        """Load the model, run all of its estimators, and keep pictures."""
        from cdae import checkpoint
        from cdae.interfaces import Layered, Samples

        model = self.build()
        checkpoint.load(model, weights)
        self.measure(model, self.estimators())
        for name in [name for name in self.estimators() if name in ON_BOTH_SPLITS]:
            self.attempt(f"{name} on training examples", lambda name=name: self.estimate_on_training(name, model))
        if isinstance(model, Samples):
            self.attempt("pictures of samples", lambda: self.picture_samples(model))
        if isinstance(model, Layered):
            self.attempt("pictures of levels", lambda: self.picture_levels(model))

    def estimators(self) -> list[str]:
        """Those that run on this model, of those that are configured."""
        from cdae.estimators.catalogue import estimators_for

        return [name for name in estimators_for(self.model_class) if name in self.config["estimators"]]

    def build(self) -> Any:
        """The untrained model, on its device."""
        return trained.build(self.config, self.data.training).to(trained.device(self.config))

    def measure(self, model: Any, estimators: list[str]) -> None:
        """The given estimators, and what is known level by level."""
        from cdae.interfaces import Layered

        for name in estimators:
            self.attempt(name, lambda name=name: self.estimate(name, model))
        if isinstance(model, Layered):
            self.attempt("levels", lambda: self.measure_levels(model))

    def estimate(self, name: str, model: Any) -> None:
        """The rows of one estimator."""
        from cdae.estimators.catalogue import ESTIMATORS

        for estimate in ESTIMATORS[name][1](model, self.data, self.settings(name), generator=self.generator(name)):
            self.add(name, estimate)

    def settings(self, name: str) -> dict[str, Any]:
        """Of one estimator."""
        settings = dict(self.config["estimators"][name])
        if name == "importance_weighted":
            settings["subset_seed"] = trained.subset_seed(self.config)
        return settings

    def identity(self, name: str) -> dict[str, Any]:
        """What names a row: the estimator and, where that is of another model than the trained one, the model."""
        from cdae.estimators.catalogue import OTHER_MODELS

        end = OTHER_MODELS.get(name)
        return {"estimator": name} | ({"model": self.config["family"] + end} if end else {})

    def estimate_on_training(self, name: str, model: Any) -> None:
        """The mean of one estimator over training examples, the same ones for every model of the data set."""
        from cdae.estimators.catalogue import ESTIMATORS
        from cdae.training_examples import on_training_examples

        chosen = training_examples_generator(self.config)
        data = on_training_examples(self.data, N_TRAINING_EXAMPLES, generator=chosen)
        generator = self.generator(f"{name} on training examples")
        (estimate,) = ESTIMATORS[name][1](model, data, self.settings(name), generator=generator)
        if not estimate.values.isfinite().all():
            raise ArithmeticError(f"{int((~estimate.values.isfinite()).sum())} values not finite")
        mean, error = mean_and_error(estimate.values)
        self.training_examples[name] = {
            "n_points": len(estimate.values),
            "mean_nats": mean,
            "standard_error_nats": error,
        }

    def attempt(self, name: str, action: Callable[[], None]) -> None:
        """Run one part of the evaluation; its own failure becomes a row, and the other parts go on."""
        import torch

        try:
            with torch.no_grad():
                action()
        except Exception as error:
            if is_failure_of_the_machine(error):
                raise
            traceback.print_exc()
            self.rows.append({**self.identity(name), "variant": "", "status": "failed", "reason": reason(error)})

    def add(self, name: str, estimate: Any) -> None:
        """A row with the mean and its standard error, beside the exact value at the same points where it is known."""
        values, indices = estimate.values.cpu(), estimate.indices.cpu()
        n = len(values)
        row: dict[str, Any] = {
            **self.identity(name),
            "variant": estimate.variant,
            "status": "ok",
            "reason": "",
            "n_importance_samples": estimate.n_importance_samples,
            "split": "test",
            "n_points": n,
        }
        if not values.isfinite().all():
            row |= {
                "status": "failed",
                "reason": f"{int((~values.isfinite()).sum())} of {n} values not finite",
            }
            self.rows.append(row)
            return
        known = self.data.log_density
        row |= measured(values, None if known is None else known[indices])
        if name == "exact":
            row["model_exact_nats"] = row["mean_nats"]
        row["diagnostics"] = estimate.diagnostics
        self.rows.append(row)
        self.values[f"{name}/{estimate.variant}"] = values.numpy()
        self.values[f"{name}/{estimate.variant}/indices"] = indices.numpy()

    def fail_all(self, why: str) -> None:
        """Training failed: every estimator that would have run gets a row that says so."""
        for name in self.estimators():
            self.rows.append({**self.identity(name), "variant": "", "status": "failed", "reason": why})

    def picture_samples(self, model: Any) -> None:
        """A few samples of every variant, in the order that the sampler gives them."""
        n = N_PICTURES if self.data.test.shape[1] > 8 else N_POINTS
        for samples in model.sample_sets(n, generator=self.generator("pictures")):
            self.pictures[f"samples/{samples.variant}"] = samples.values[:n].cpu().numpy()

    def picture_levels(self, model: Any) -> None:
        """The chain from the prior, and reconstructions at every level."""
        generator = self.generator("pictures of levels")
        n = N_RECONSTRUCTIONS if self.data.test.shape[1] > 8 else N_POINTS
        self.pictures["path"] = model.ancestral_path(n, generator=generator).cpu().numpy()
        x = self.data.test[:n]
        noisy = model.infer(x, generator=generator)
        shown = {"noisy": noisy, "reconstructed": model.denoise(noisy), "clean": x}
        self.pictures |= {name: tensor.cpu().numpy() for name, tensor in shown.items()}

    def measure_levels(self, model: Any) -> None:
        """Errors of the denoiser on either split (of the training split as many examples) and variances, by level."""
        generator = self.generator("levels")
        train = self.data.training.draw(generator=generator)[: len(self.data.test)]
        self.levels = {
            "corruption_std": model.corruption_std[1:].tolist(),
            "reconstruction_std": model.pooled_reconstruction_std.tolist(),
            "mse_train": model.level_mse(train, generator=generator).tolist(),
            "mse_test": model.level_mse(self.data.test, generator=generator).tolist(),
        }

    def record(self) -> dict[str, Any]:
        """All that the tables need to know of the cell but the per-example values."""
        return {
            "dataset": self.config["dataset"],
            "model": self.config["family"],
            "kind": self.options["kind"].split("-")[0],
            "n_levels": self.options.get("n_levels"),
            "seed": self.config["seed"],
            "dim": self.data.test.shape[1],
            "n_intensity_levels": self.data.training.n_intensity_levels,
            "split_sizes": self.data.split_sizes(),
            "rows": self.rows,
            "levels": self.levels,
            "training_examples": self.training_examples,
        }


def training_examples_generator(config: dict[str, Any]) -> Any:
    """Of the random training examples that all models of a data set share, and of their dequantization."""
    from cdae.computing.seeds import generator_from

    device = trained.device(config)
    return generator_from(config["base_seed"], config["dataset"], "training examples", device=device)


if __name__ == "__main__":
    main()
