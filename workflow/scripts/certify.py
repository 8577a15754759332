"""Both sides of log p(x) of one trained model, by every estimator that fits it: a lower bound on test data, and the gap
between lower and upper bound on data that the model has generated itself.

All numbers are kept in parts as they are made: an interrupted job goes on where it was when it is run again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow.scripts import trained
from workflow.scripts.job import is_failure_of_the_machine, job, reason, use_one_thread_deterministically
from workflow.scripts.measured import mean_and_error, measured
from workflow.scripts.parts import Arrays, Parts
from workflow.scripts.trials import Trial, Trials

CHUNK_POINTS = 50  # of one batch; a constant, because results depend on it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="what certification depends on, as JSON")
    parser.add_argument("--hashes", required=True, type=json.loads, help="config_sha256 and code_sha256, as JSON")
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--training", required=True)
    parser.add_argument("--record", required=True, type=Path)
    parser.add_argument("--values", required=True, type=Path)
    args = parser.parse_args()
    with job():
        import hashlib

        from cdae.computing.files import read_json, write_json, write_npz

        use_one_thread_deterministically()
        identity = [
            json.dumps(args.config, sort_keys=True),
            args.hashes["code_sha256"],
            args.weights.read_bytes().hex(),
        ]
        parts = Parts(args.record.with_suffix(".parts"), hashlib.sha256("".join(identity).encode()).hexdigest())
        certification = Certification(args.config, args.data, parts)
        training = read_json(args.training)
        if training["status"] == "ok":
            certification.run(args.weights)
        else:
            certification.fail("all", training["reason"])
        write_npz(args.values, certification.values)
        write_json(args.record, certification.record() | args.hashes)
        parts.remove()


class Certification:
    """The rows and per-example values of one cell, as they are made."""

    def __init__(self, config: dict[str, Any], data: str, parts: Parts):
        from cdae.data import load_evaluation_set

        self.config, self.settings, self.parts = config, config["certify"], parts
        self.data = load_evaluation_set(data).to(trained.device(config))
        self.rows: list[dict[str, Any]] = []
        self.values: Arrays = {}

    def run(self, weights: Path) -> None:
        """Load the model, simulate data from it, and run every estimator on either."""
        from cdae import checkpoint

        model = trained.build(self.config, self.data.training).to(trained.device(self.config))
        checkpoint.load(model, str(weights))
        model.requires_grad_(False)
        n = self.settings["n_points"]
        simulated = model.simulate(n, generator=trained.generator(self.config, "certify, simulated data"))
        for trial in Trials(self.config, self.data, self.parts).of(model):
            self.attempt(trial, simulated)

    def attempt(self, trial: Trial, simulated: Any) -> None:
        """Run one estimator; its own failure becomes a row, and the others go on."""
        import traceback

        try:
            self.estimate(trial, simulated)
        except Exception as error:
            if is_failure_of_the_machine(error):
                raise
            traceback.print_exc()
            self.fail(trial.name, reason(error), trial.variant)

    def fail(self, name: str, why: str, variant: str = "") -> None:
        self.rows.append({"estimator": name, "variant": variant, "status": "failed", "reason": why})

    def estimate(self, trial: Trial, simulated: Any) -> None:
        """One estimator on test data, and from both sides on simulated data."""
        estimator, label = trial.make(), f"{trial.name}, {trial.variant}"
        indices = self.data.random_test_subset(trial.n_test, seed=trained.subset_seed(self.config))
        test, (x, latents) = self.data.test[indices], simulated

        def forward(points: Any, generator: Any) -> Any:
            return estimator.log_weights(test[points], generator=generator)

        def below(points: Any, generator: Any) -> Any:
            return estimator.log_weights(x[points], generator=generator)

        def above(points: Any, generator: Any) -> Any:
            return estimator.upper_bound(x[points], latents[..., points, :], generator=generator)[None]

        self.add(
            trial,
            indices,
            self.in_parts(f"{label}, test", len(test), forward),
            self.in_parts(f"{label}, simulated, lower", len(x), below),
            self.in_parts(f"{label}, simulated, upper", len(x), above)[0],
        )

    def add(self, trial: Trial, indices: Any, forward: Any, below: Any, upper: Any) -> None:
        """The row of one estimator, from its log weights on test and simulated data and its upper bound."""
        from cdae.estimators.convergence import diagnostics, has_converged, pareto_k
        from cdae.gaussian import log_mean_exp

        values, bound, lower, k = log_mean_exp(forward), forward.mean(0), log_mean_exp(below), pareto_k(forward)
        row = self.row(trial, values, indices)
        row["n_importance_samples"] = len(forward)
        row["bound_nats"], row["bound_standard_error_nats"] = mean_and_error(bound)
        row["n_simulated"] = len(upper)
        row["simulated_lower_nats"], row["simulated_upper_nats"] = lower.mean().item(), upper.mean().item()
        row["gap_nats"], row["gap_standard_error_nats"] = mean_and_error(upper - lower)
        row["converged"] = has_converged(forward, k, upper - lower)
        row |= diagnostics(forward) | ({} if k.isnan().all() else {"mean_pareto_k": k.nanmean().item()}) | trial.facts
        self.rows.append(row)
        kept = {"values": values, "bound": bound, "indices": indices, "lower": lower, "upper": upper}
        self.values |= {f"{trial.name}/{trial.variant}/{what}": tensor.numpy() for what, tensor in kept.items()}

    def in_parts(self, label: str, n_points: int, compute: Callable[[Any, Any], Any]) -> Any:
        """Log weights of all points, some points at a time, each time with random numbers of their own."""
        import torch

        starts, weights = range(0, n_points, CHUNK_POINTS), []
        for start in starts:
            rows, begun = slice(start, min(start + CHUNK_POINTS, n_points)), time.monotonic()
            purpose = f"certify, {label}, {start}"
            generator = trained.generator(self.config, purpose)
            part = self.parts.get(purpose, lambda r=rows, g=generator: {"log_weights": compute(r, g).cpu().numpy()})
            weights.append(torch.from_numpy(part["log_weights"]))
            seconds = time.monotonic() - begun
            print(f"{label}: points {start + 1} to {rows.stop} of {n_points}, {seconds:.0f} s", file=sys.stderr)
        return torch.cat(weights, dim=1)

    def row(self, trial: Trial, values: Any, indices: Any) -> dict[str, Any]:
        """Mean and error on test data, beside the exact value at the same points where it is known."""
        row: dict[str, Any] = {"estimator": trial.name, "variant": trial.variant, "status": "ok", "reason": ""}
        if not values.isfinite().all():
            raise ArithmeticError(f"{int((~values.isfinite()).sum())} of {len(values)} values not finite")
        row["n_points"] = len(values)
        known = self.data.log_density
        row |= measured(values, None if known is None else known[indices])
        return row

    def record(self) -> dict[str, Any]:
        """All that the tables need to know of the cell but the per-example values."""
        return {
            "dataset": self.config["dataset"],
            "model": self.config["family"],
            "kind": self.config["options"]["kind"],
            "n_levels": self.config["options"].get("n_levels"),
            "seed": self.config["seed"],
            "dim": self.data.test.shape[1],
            "rows": self.rows,
        }


if __name__ == "__main__":
    main()
