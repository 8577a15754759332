"""The summary over seeds, and its forms for reading: markdown and LaTeX (booktabs).

A value is marked best where its paired difference from every other model of the data set, over the same test points,
exceeds two standard errors of that difference; the error counts the spread between seeds too. Lower bounds of
different models are compared as what they are: the larger bound is not always the better model.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

SUMMARY_KEYS = ["dataset", "model", "kind", "n_levels", "estimator", "variant", "n_importance_samples"]
BEST_ERRORS = 2.0
TITLES = {"exact": "Exact", "lower_bound": "Lower bound", "importance_weighted": "IW", "parzen": "Parzen"}


def summarize(long: pd.DataFrame, values: dict[tuple[Any, ...], np.ndarray]) -> pd.DataFrame:
    """One row per model and estimate: mean over the seeds that succeeded, its errors, and whether it is best."""
    rows, seed_values = [], []
    for keys, group in long.groupby(SUMMARY_KEYS, dropna=False, sort=False):
        identity = {k: None if pd.isna(v) else v for k, v in zip(SUMMARY_KEYS, keys, strict=True)}
        ok = group[group["status"] == "ok"]
        per_seed = [values[(*identity.values(), seed)] for seed in ok["seed"]]
        rows.append({**identity, **_statistics(ok, per_seed), "n_failed": len(group) - len(ok)})
        seed_values.append(np.stack(per_seed) if per_seed else None)
    summary = pd.DataFrame(rows).astype({"n_levels": "Int64", "n_importance_samples": "Int64", "n_points": "Int64"})
    summary["best"] = _best(summary, seed_values)
    return summary


def _statistics(ok: pd.DataFrame, per_seed: list[np.ndarray]) -> dict[str, Any]:
    """Mean, standard error over test points of the seed average, and the standard deviation between seeds."""
    if not per_seed:
        return {"n_seeds": 0}
    average = np.mean(per_seed, axis=0)
    return {
        "n_seeds": len(per_seed),
        "n_points": len(average),
        "mean_nats": average.mean(),
        "standard_error_nats": average.std(ddof=1) / np.sqrt(len(average)),
        "seed_std_nats": ok["mean_nats"].std(ddof=1) if len(ok) > 1 else np.nan,
        "median_nats": np.median(average),
        "bits_per_dim": ok["bits_per_dim"].mean(),
        "exact_nats": ok["exact_nats"].mean(),
        "excess_nats": ok["excess_nats"].mean(),
        "model_exact_nats": ok["model_exact_nats"].mean(),
    }


def _best(summary: pd.DataFrame, seed_values: list[np.ndarray | None]) -> list[bool]:
    """Whether a row beats every other trained model in its column of the data set; controls do not compete."""
    competing = (summary["kind"] != "control") & (summary["n_seeds"] > 0)
    best = [False] * len(summary)
    for _, group in summary[competing].groupby(["dataset", "estimator", "n_importance_samples"], dropna=False):
        for row in group.index:
            others = [other for other in group.index if other != row]
            best[row] = bool(others) and all(_exceeds(seed_values[row], seed_values[other]) for other in others)
    return best


def _exceeds(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the mean of a (seeds, n) exceeds that of b by more than two standard errors of the paired difference."""
    difference = a.mean(0) - b.mean(0)
    variance = difference.var(ddof=1) / len(difference) + _seed_variance(a) + _seed_variance(b)
    return difference.mean() > BEST_ERRORS * np.sqrt(variance)


def _seed_variance(per_seed: np.ndarray) -> float:
    """Variance of the mean over seeds, from their spread; 0 for a single seed, whose spread is unknown."""
    return per_seed.mean(1).var(ddof=1) / len(per_seed) if len(per_seed) > 1 else 0.0


def _title(row: pd.Series) -> str:
    """Column of a row: the estimator, with M or the sampler's last step."""
    title = TITLES[row["estimator"]]
    if row["estimator"] == "importance_weighted":
        return f"{title}-{row['n_importance_samples']}"
    if row["estimator"] == "parzen":
        return f"{title}, {'mean' if 'mean' in row['variant'] else 'sample'}"
    return title


def _label(row: pd.Series) -> str:
    return row["model"] if pd.isna(row["n_levels"]) else f"{row['model']}, k = {row['n_levels']}"


def _value(row: pd.Series, strong: str) -> str:
    """mean ± standard error [seed spread], or that it failed."""
    if row["n_seeds"] == 0:
        return "failed"
    text = f"{row['mean_nats']:.2f} ± {row['standard_error_nats']:.2f}"
    if pd.notna(row["seed_std_nats"]):
        text += f" [{row['seed_std_nats']:.2f}]"
    if row["n_failed"]:
        text += f" ({row['n_failed']} failed)"
    return strong.format(text) if row["best"] else text


def _main_rows(group: pd.DataFrame) -> pd.DataFrame:
    """Without the intermediate chain states: of a chain, its longest run from noise."""
    chains = group["variant"].str.contains("from")
    longest = group["variant"].str.extract(r"from noise, (\d+) steps")[0].astype(float)
    last = longest == longest.groupby(group["model"]).transform("max")
    return group[~chains | last]


def _grid(group: pd.DataFrame, strong: str) -> pd.DataFrame:
    """Models down, estimators across, formatted."""
    rows = _main_rows(group)
    cells = pd.DataFrame(
        {
            "Model": [_label(row) for _, row in rows.iterrows()],
            "column": [_title(row) for _, row in rows.iterrows()],
            "value": [_value(row, strong) for _, row in rows.iterrows()],
        }
    )
    columns = list(dict.fromkeys(sorted(cells["column"], key=_column_order)))
    wide = cells.groupby(["Model", "column"], sort=False)["value"].agg("; ".join).unstack("column")
    return wide.reindex(index=cells["Model"].unique(), columns=columns).fillna("").reset_index()


def _column_order(title: str) -> int:
    return [title.startswith(known) for known in TITLES.values()].index(True)


def _sections(summary: pd.DataFrame, strong: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for dataset, group in summary.groupby("dataset", sort=False):
        exact = group["exact_nats"].dropna()
        fact = f"exact log density of the data: {exact.iloc[0]:.2f}" if len(exact) else "exact value unknown"
        yield dataset, fact, _grid(group, strong)


NOTE = (
    "Mean log-likelihood on the test split in nats per example ± standard error over test points [standard deviation "
    "between seeds]. Lower bound and IW-M are lower bounds on the model's log-likelihood; a Parzen estimate is no "
    "bound and rewards blur. For a chain the longest run from noise is shown. The best trained model of a column is "
    "marked only where its paired difference from every other one exceeds two standard errors."
)


def to_markdown(summary: pd.DataFrame) -> str:
    """One table per data set."""
    parts = ["# Log-likelihoods", NOTE]
    for dataset, fact, table in _sections(summary, "**{}**"):
        header = [list(table.columns), ["---", *["---:"] * (len(table.columns) - 1)]]
        lines = ["| " + " | ".join(cells) + " |" for cells in [*header, *table.to_numpy().tolist()]]
        parts += [f"## {dataset} ({fact})", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def to_latex(summary: pd.DataFrame) -> str:
    """The same tables with booktabs rules."""
    parts = ["% " + NOTE]
    for dataset, fact, table in _sections(summary, r"\textbf{{{}}}"):
        rows = [_latex_row(cells) for cells in table.to_numpy().tolist()]
        parts.append(
            "\\begin{table}\n\\centering\n"
            f"\\caption{{{_escape(dataset)}: nats per example; {fact}.}}\n"
            f"\\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}\n\\toprule\n"
            + "\n".join([_latex_row(list(table.columns)), "\\midrule", *rows])
            + "\n\\bottomrule\n\\end{tabular}\n\\end{table}"
        )
    return "\n\n".join(parts) + "\n"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(_escape(cell).replace("±", r"$\pm$") for cell in cells) + r" \\"


def _escape(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%")
