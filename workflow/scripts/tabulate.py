"""Make every table from the records and the per-example values of all cells.

Long form first: one row per estimate, sorted by identity and never by order of completion. The summary averages over
seeds and keeps three errors apart: the standard error over test points (of the seed average), the spread between seeds
and, where the exact value is known, the paired excess over it. No times and no hosts.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cdae.computing.files import read_json, write_text
from cdae.units import bits_per_dim
from workflow.scripts.certificates import certificates
from workflow.scripts.grid import annealing_sizes
from workflow.scripts.job import job
from workflow.scripts.markup import to_latex, to_markdown
from workflow.scripts.protocol import card
from workflow.scripts.readable import (
    CERTIFICATES_NOTE,
    NOTE,
    PUBLISHED_NOTE,
    both_sides,
    published_sections,
    sections,
)
from workflow.scripts.summary import SUMMARY_KEYS, summarize
from workflow.scripts.train_test_gap import train_test_gap

COLUMNS = [
    "dataset", "model", "kind", "n_levels", "seed", "estimator", "variant", "n_importance_samples", "split",
    "n_points", "mean_nats", "standard_error_nats", "bits_per_dim", "exact_nats", "excess_nats",
    "excess_standard_error_nats", "model_exact_nats", "claim", "status", "reason", "config_sha256", "code_sha256",
]  # fmt: skip
CLAIMS = {"exact": "exact", "lower_bound": "lower bound", "markov_bound": "lower bound", "parzen": "no bound"}
WHOLE_NUMBERS = ["n_levels", "n_importance_samples", "n_points"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", nargs="+", required=True)
    parser.add_argument("--snapshots", nargs="*", default=[], help="records of cells on the way through training")
    parser.add_argument("--certificates", nargs="*", default=[])
    parser.add_argument("--published", required=True, type=Path, help="csv of published figures")
    parser.add_argument("--config", required=True, type=json.loads, help="the whole configuration, as JSON")
    parser.add_argument("--output-dir", required=True, type=Path)
    args = parser.parse_args()
    with job():
        records = [read_json(path) for path in args.records]
        snapshots = [snapshot for path in args.snapshots for snapshot in read_json(path)]
        long = long_form(records)
        values = per_example_values(args.records, records)
        summary = summarize(long, values)
        curve = training_curve(records, snapshots)
        diagnosed = diagnostics(records)
        both_sided = [read_json(path) for path in args.certificates]
        certified = certificates(args.certificates, both_sided, own_bounds(values), annealing_sizes(args.config))
        gaps = train_test_gap(records)
        ours = list(sections(summary, curve, certified, gaps))
        datasets = list(dict.fromkeys(long["dataset"]))
        others = list(published_sections(pd.read_csv(args.published), datasets))
        folder = args.output_dir
        write_csv(folder / "log_likelihood.csv", long)
        write_csv(folder / "summary.csv", summary)
        protocol = card(args.config, records)
        write_text(folder / "summary.md", to_markdown("Log-likelihoods", NOTE, ours, protocol))
        write_text(folder / "summary.tex", to_latex(NOTE, ours))
        write_text(folder / "published.md", to_markdown("Published figures", PUBLISHED_NOTE, others))
        write_csv(folder / "bound_terms.csv", bound_terms(records))
        write_csv(folder / "levels.csv", levels([*records, *snapshots]))
        write_csv(folder / "training_curve.csv", curve)
        write_csv(folder / "certificates.csv", certified)
        write_text(
            folder / "certificates.md", to_markdown("Certificates", CERTIFICATES_NOTE, both_sides(certified), protocol)
        )
        write_csv(folder / "train_test_gap.csv", gaps)
        write_csv(folder / "diagnostics.csv", diagnosed)


def long_form(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per estimate of every cell, in the order of the configuration."""
    rows = []
    for record in records:
        for row in record["rows"]:
            found = {**record, **row, **_bits(record, row), "claim": claim(row)}
            rows.append({name: found.get(name) for name in COLUMNS})
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.astype(dict.fromkeys(WHOLE_NUMBERS, "Int64"))


def claim(row: dict[str, Any]) -> str:
    """What may be said of an estimate whose gap is not known."""
    if row["status"] != "ok":
        return "failed"
    if row["estimator"] == "importance_weighted":
        return "stochastic lower bound" if row["diagnostics"]["converged"] else "bound, not converged"
    return CLAIMS[row["estimator"]]


def _bits(record: dict[str, Any], row: dict[str, Any]) -> dict[str, float]:
    """Bits per dimension of a row on the dequantized scale; none for data without levels, and none for Parzen."""
    n_levels = record["n_intensity_levels"]
    if n_levels is None or row["estimator"] == "parzen" or "mean_nats" not in row:
        return {}
    return {"bits_per_dim": bits_per_dim(row["mean_nats"], dim=record["dim"], n_intensity_levels=n_levels)}


def per_example_values(paths: list[str], records: list[dict[str, Any]]) -> dict[tuple[Any, ...], np.ndarray]:
    """Per-example values by (summary keys, seed), from the file beside each record."""
    found = {}
    for path, record in zip(paths, records, strict=True):
        with np.load(Path(path).with_suffix(".npz"), allow_pickle=False) as file:
            for row in record["rows"]:
                key = f"{row['estimator']}/{row['variant']}"
                if row["status"] == "ok" and key in file:
                    identity = {**record, **row}
                    found[(*(identity.get(k) for k in SUMMARY_KEYS), record["seed"])] = file[key]
    return found


def own_bounds(values: dict[tuple[Any, ...], np.ndarray]) -> dict[tuple[Any, ...], np.ndarray]:
    """The lower bounds among the per-example values, by (data set, model, number of levels, seed)."""
    names = [*SUMMARY_KEYS, "seed"]
    found = [(dict(zip(names, key, strict=True)), array) for key, array in values.items()]
    identity = ("dataset", "model", "n_levels", "seed")
    return {tuple(k[name] for name in identity): a for k, a in found if k["estimator"] == "lower_bound"}


def bound_terms(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Mean of every term of the lower bound, in nats: one row per cell and term."""
    rows = []
    for record in records:
        for row in record["rows"]:
            for term, nats in row.get("diagnostics", {}).get("mean_terms", {}).items():
                rows.append({**_identity({**record, **row}), "term": term, "mean_nats": nats})
    columns = ["dataset", "model", "kind", "n_levels", "seed", "term", "mean_nats"]
    return pd.DataFrame(rows, columns=columns).astype({"n_levels": "Int64"})


def training_curve(records: list[dict[str, Any]], snapshots: list[dict[str, Any]]) -> pd.DataFrame:
    """The bounds of every cell that kept snapshots, at each of them and at the end of training."""
    tracked = {tuple(_identity(snapshot).values()) for snapshot in snapshots}
    ends = [record for record in records if tuple(_identity(record).values()) in tracked]
    names = ["estimator", "n_importance_samples", "n_points", "mean_nats", "standard_error_nats", "status", "reason"]
    rows = [
        {**_identity(record), "n_updates": record["n_updates"], **{name: row.get(name) for name in names}}
        for record in [*snapshots, *ends]
        for row in record["rows"]
        if row["estimator"] in ("lower_bound", "importance_weighted")
    ]
    columns = ["dataset", "model", "kind", "n_levels", "seed", "n_updates", *names]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(WHOLE_NUMBERS, "Int64"))
    return table.sort_values(["dataset", "model", "n_levels", "seed", "n_updates"], kind="stable")


def levels(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Per corruption level i = 1 .. k: c_i, rho_{i-1} and the denoiser's mean squared error on either split."""
    rows = []
    names = ["corruption_std", "reconstruction_std", "mse_train", "mse_test"]
    for record in records:
        for i, values in enumerate(zip(*(record["levels"].get(name, []) for name in names), strict=True), start=1):
            what = {**_identity(record), "n_updates": record["n_updates"], "level": i}
            rows.append({**what, **dict(zip(names, values, strict=True))})
    columns = ["dataset", "model", "kind", "n_levels", "seed", "n_updates", "level", *names]
    table = pd.DataFrame(rows, columns=columns).astype({"n_levels": "Int64"})
    return table.sort_values(columns[:7], kind="stable")


def diagnostics(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Everything else that an estimator says of itself: effective sample size, bandwidth, chain steps."""
    rows = []
    for record in records:
        for row in record["rows"]:
            for name, value in row.get("diagnostics", {}).items():
                if name != "mean_terms":
                    what = {"estimator": row["estimator"], "variant": row["variant"]}
                    rows.append({**_identity({**record, **row}), **what, "diagnostic": name, "value": value})
    columns = ["dataset", "model", "kind", "n_levels", "seed", "estimator", "variant", "diagnostic", "value"]
    return pd.DataFrame(rows, columns=columns).astype({"n_levels": "Int64"})


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in ("dataset", "model", "kind", "n_levels", "seed")}


def write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, float_format="%.10g", lineterminator="\n"))


if __name__ == "__main__":
    main()
