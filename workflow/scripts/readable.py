"""The tables for reading: ours, ours on the way through training, and published.

Published figures stand in a file of their own, since they belong to other models and other protocols.
"""

import math
from collections.abc import Iterator

import pandas as pd

from workflow.scripts.certificates import CERTIFIED_NATS_PER_DIM, tightest
from workflow.scripts.markup import Section

TITLES = {
    "exact": "Exact",
    "lower_bound": "Lower bound",
    "markov_bound": "Lower bound",  # of a model of its own, in rows of its own
    "importance_weighted": "IW",
    "parzen": "Parzen",
}
METRICS = {
    "parzen": "Parzen",
    "kde": "kernel density estimate",
    "ais": "annealed importance sampling",
    "iwae_bound": "IWAE bound",
    "log_likelihood": "log-likelihood",
    "negative_log_likelihood": "negative log-likelihood",
    "bits_per_dim": "bits per dimension",
}
MARKS = {"S": "primary text or code", "S2": "quoted by a second source"}
HEAVY_TAIL_NATS = 10.0  # a median further from the mean than this is printed beside it

NOTE = (
    "Mean log-likelihood on the test split in nats per example ± standard error over test points [standard deviation "
    "between seeds]. Lower bound and IW-M are lower bounds on the model's log-likelihood; a Parzen estimate is no "
    "bound and rewards blur. For a chain the longest run from noise is shown. The best trained model of a column is "
    "marked only where its paired difference from every other one exceeds two standard errors. A median follows where "
    f"heavy tails bring it more than {HEAVY_TAIL_NATS:g} nats from the mean. A dagger marks a bound that has not "
    "converged: its weights disagree, and more of them would raise it. The tightest bound is that of the "
    "estimator with the smallest gap between upper and lower bound on data simulated from the model, of the first seed "
    "that is certified; `certificates.md` has all of them. Train - test: how much higher the lower bound, or the exact "
    "value where there is one, is on random training examples; its standard error is over points, which seeds share. "
    "The rows `-markov` are other models made of the same denoisers: their bounds are no bounds on the models above, "
    "and do not compete for the mark."
)


CERTIFICATES_NOTE = (
    "Stochastic lower bounds on log p(x) of the trained model on random test points, in nats per example ± standard "
    "error over points. The column `Lower bound` is for the whole test split: the model's own bound (Eq. 4) on all of "
    "it plus the mean paired excess over it on those points. The gap is the mean of upper minus lower bound on data "
    "simulated from the model. A value is certified where its gap, with two standard errors, is at most "
    f"{CERTIFIED_NATS_PER_DIM:g} nats per dimension; one whose weights or gap say that it has not converged is a bound "
    "and no log-likelihood. Slope: what the last doubling of the number of weights added. Pareto k: above 0.7 the "
    "average of the weights is not to be trusted. Variance ratio: of transition over inference model, the largest; "
    "where it is 2 or more the weights have infinite variance."
)
PUBLISHED_NOTE = (
    "What others have published on these data sets, with the protocol and the source of every figure. Not comparable "
    "with our rows unless the protocols agree; an empty source says that only a second source could be traced."
)


def sections(
    summary: pd.DataFrame, curve: pd.DataFrame, certificates: pd.DataFrame, gaps: pd.DataFrame
) -> Iterator[Section]:
    """All tables of ours, data set by data set; strong text stands between double asterisks."""
    for dataset, group in summary.groupby("dataset", sort=False):
        exact = group["exact_nats"].dropna()
        fact = f"exact log density of the data: {exact.iloc[0]:.2f}" if len(exact) else "exact value unknown"
        best = tightest(certificates[certificates["dataset"] == dataset])
        ours, others = gaps[gaps["dataset"] == dataset], group["estimator"] == "markov_bound"
        yield Section(f"{dataset} ({fact})", _models_by_estimators(group[~others], best, ours))
        if others.any():
            title = f"{dataset}: other models, the same denoisers in a Markov chain from level to level"
            yield Section(title, _models_by_estimators(group[others], best[:0], ours))
        on_the_way = curve[(curve["dataset"] == dataset) & (curve["status"] == "ok")]
        if len(on_the_way):
            yield Section(f"{dataset}: bound / IW-M by number of updates", _models_by_updates(on_the_way))


def published_sections(published: pd.DataFrame, datasets: list[str]) -> Iterator[Section]:
    """Published figures on these data sets, whose names differ from the published ones by case alone."""
    for dataset in datasets:
        rows = published[published["dataset"].str.lower() == dataset.lower()]
        if len(rows):
            yield Section(dataset, _published(rows))


def _models_by_estimators(group: pd.DataFrame, best: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """Models down, estimators across; then the tightest bound of one replicate, where its gap is known, and the gap
    between training and test examples."""
    rows = main_rows(group)
    rows = rows[rows["estimator"].isin(TITLES)]  # a picture that failed has a row too, and no column
    cells = pd.DataFrame(
        {
            "Model": [label(row) for _, row in rows.iterrows()],
            "column": [_title(row) for _, row in rows.iterrows()],
            "value": [_value(row) for _, row in rows.iterrows()],
        }
    )
    columns = list(dict.fromkeys(sorted(cells["column"], key=_column_order)))
    wide = cells.groupby(["Model", "column"], sort=False)["value"].agg("; ".join).unstack("column")
    wide = wide.reindex(index=cells["Model"].unique(), columns=columns).fillna("")
    if len(best):
        first = best.drop_duplicates(["model", "n_levels"])
        known = {
            label(row): f"{_with_error(row, 'test')} (gap {_with_error(row, 'gap')})" for _, row in first.iterrows()
        }
        wide["Tightest (gap)"] = [known.get(name, "") for name in wide.index]
    if len(gaps):
        known = _train_minus_test(gaps)
        wide["Train - test"] = [known.get(name, "") for name in wide.index]
    return wide.reset_index()


def _train_minus_test(gaps: pd.DataFrame) -> dict[str, str]:
    """By model, the mean gap over seeds ± its standard error [standard deviation between seeds].

    Seeds share the points, so the error over points does not shrink with their number: it is the mean of theirs.
    """
    found = {}
    for name, rows in gaps.assign(Model=[label(row) for _, row in gaps.iterrows()]).groupby("Model", sort=False):
        found[name] = _estimate(rows["gap_nats"].mean(), rows["gap_standard_error_nats"].mean())
        if len(rows) > 1:
            found[name] += f" [{_error(rows['gap_nats'].std(ddof=1))}]"
    return found


def both_sides(certificates: pd.DataFrame) -> Iterator[Section]:
    """Every estimator of every certified model, data set by data set."""
    for dataset, group in certificates.groupby("dataset", sort=False):
        table = [
            {
                "Model": label(row),
                "Estimator": f"{_estimator(row)}, {row['variant']}",
                "Weights": f"{row['n_importance_samples']}",
                "Points": f"{row['n_points']}",
                "Mean log weight": _with_error(row, "bound"),
                "Lower bound": _with_error(row, "test"),
                "Over the own bound": _with_error(row, "over_own_bound"),
                "Gap, simulated": _with_error(row, "gap"),
                "Effective weights": f"{row['mean_effective_sample_size']:.1f}",
                "Pareto k": _or_blank(row["mean_pareto_k"]),
                "Slope": _or_blank(row["mean_slope"]),
                "Variance ratio": _or_blank(row["largest_variance_ratio"]),
                "Claim": row["claim"] if row["status"] == "ok" else f"failed: {row['reason']}",
            }
            for _, row in group.iterrows()
        ]
        yield Section(dataset, pd.DataFrame(table))


def _estimator(row: pd.Series) -> str:
    name = row["estimator"].replace("_", " ")
    return name if pd.isna(row["n_distributions"]) else f"{name} over {row['n_distributions']:,}"


def _or_blank(value: float) -> str:
    return "" if pd.isna(value) else f"{value:z.2f}"


def _with_error(row: pd.Series, name: str) -> str:
    """mean ± standard error; nothing where it is unknown."""
    value, error = row[f"{name}_nats"], row[f"{name}_standard_error_nats"]
    return "" if pd.isna(value) else _estimate(value, error)


def _estimate(mean: float, standard_error: float) -> str:
    """mean ± standard error, with as many decimals; the mean alone where it has no error."""
    error = _error(standard_error)
    decimals = len(error.partition(".")[2])
    return f"{mean:z.{decimals}f} ± {error}" if standard_error else f"{mean:z.2f}"  # z: no minus before 0.00


def _error(value: float) -> str:
    """Two decimals, or as many as its first digit needs: an error that is not 0 does not read 0."""
    return f"{value:.2f}" if not 0.0 < value < 0.005 else f"{value:.{math.ceil(-math.log10(value))}f}"


def main_rows(group: pd.DataFrame) -> pd.DataFrame:
    """Without the intermediate chain states: of a chain, its longest run from noise."""
    chains = group["variant"].str.contains("from")
    longest = group["variant"].str.extract(r"from noise, (\d+) steps")[0].astype(float)
    last = longest == longest.groupby(group["model"]).transform("max")
    return group[~chains | last]


def label(row: pd.Series) -> str:
    """A model and its number of levels."""
    return row["model"] if pd.isna(row["n_levels"]) else f"{row['model']}, k = {row['n_levels']:g}"


def _title(row: pd.Series) -> str:
    """Column of a row: the estimator, with M or the sampler's last step."""
    title = TITLES[row["estimator"]]
    if row["estimator"] == "importance_weighted":
        return f"{title}-{row['n_importance_samples']}"
    if row["estimator"] == "parzen":
        return f"{title}, {'mean' if 'mean' in row['variant'] else 'sample'}"
    return title


def _column_order(title: str) -> int:
    return [title.startswith(known) for known in TITLES.values()].index(True)


def _value(row: pd.Series) -> str:
    """mean ± standard error [seed spread], or that it failed."""
    if row["n_seeds"] == 0:
        return "failed"
    text = _estimate(row["mean_nats"], row["standard_error_nats"])
    if pd.notna(row["seed_std_nats"]):
        text += f" [{_error(row['seed_std_nats'])}]"
    if abs(row["median_nats"] - row["mean_nats"]) > HEAVY_TAIL_NATS:
        text += f", median {row['median_nats']:.2f}"
    if row["n_failed"]:
        text += f" ({row['n_failed']} failed)"
    if row["claim"] == "bound, not converged":
        text += " †"
    return f"**{text}**" if row["best"] else text


def _models_by_updates(curve: pd.DataFrame) -> pd.DataFrame:
    """Models down, numbers of updates across; means over seeds of the lower bound and of IW-M."""
    cells = curve.assign(Model=[label(row) for _, row in curve.iterrows()])
    means = cells.groupby(["Model", "n_updates", "estimator"], sort=False)["mean_nats"].mean().unstack("estimator")
    text = means["lower_bound"].map("{:.1f}".format) + " / " + means["importance_weighted"].map("{:.1f}".format)
    wide = text.unstack("n_updates").reindex(index=cells["Model"].unique())
    wide = wide[sorted(wide.columns)].fillna("")
    return wide.rename(columns=lambda n_updates: f"{n_updates:,} updates").rename_axis(columns=None).reset_index()


def _published(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per figure, with its protocol and its source."""
    relation = rows["relation"].map({"=": "", "<=": "≤ ", ">=": "≥ "})
    error = [f" ± {e:g}" if pd.notna(e) else "" for e in rows["standard_error"]]
    source = rows[["source_authors", "year", "table"]].astype(object).where(rows["source_authors"].notna(), "")
    return pd.DataFrame(
        {
            "Model": rows["model"],
            "Value": relation + rows["value"].map("{:g}".format) + error,
            "What": rows["metric"].map(METRICS),
            "Protocol": rows["protocol"],
            "Source": [", ".join(_source_parts(row)) for row in source.itertuples(index=False)],
            "Read in": rows["mark"].map(MARKS),
        }
    )


def _source_parts(row: tuple) -> list[str]:
    return [f"{part:g}" if isinstance(part, float) else part for part in row if part == part and part != ""]
