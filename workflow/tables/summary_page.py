"""The page of the summary: models down, estimators across, data set by data set."""

from collections.abc import Iterator
from string import Formatter

import pandas as pd

from cdae.certificates.claims import Claim
from workflow.tables.estimators import CARDS, Cards
from workflow.tables.identity import label
from workflow.tables.markup import Section
from workflow.tables.numbers import error, estimate, with_error
from workflow.tables.summary import main_rows
from workflow.tables.tightest import tightest

HEAVY_TAIL_NATS = 10.0  # a median further from the mean than this is printed beside it

NOTE = (
    "Mean log-likelihood on the test split in nats per example ± standard error over test points [standard deviation "
    "between seeds]. Lower bound and IW-M are lower bounds on the model's log-likelihood; a Parzen estimate is no "
    "bound and rewards blur. For a chain the longest run from noise is shown. The best trained model of a column is "
    "marked only where its paired difference from every other one is significant at 5%, the spread between seeds "
    "counted; a single seed gives no mark. A median follows where "
    f"heavy tails bring it more than {HEAVY_TAIL_NATS:g} nats from the mean. A dagger marks a bound that has not "
    "converged: its weights disagree, or its gap is large, and more work would raise it. The tightest bound is that "
    "of the estimator with the smallest gap between upper and lower bound on data simulated from the model, of the "
    "first seed that is certified. One half of the simulated points chooses the estimator, and the gap beside the "
    "bound is that of the other half. A double dagger ‡ marks a value for the whole split that rests on test points "
    "unlike those of its subset. `certificates.md` has all estimators. Train - test: how much higher the lower bound, "
    "or the exact value where there is one, is on random training examples; its standard error is over points, which "
    "seeds share. The rows `-markov` are other models made of the same denoisers: their bounds are no bounds on the "
    "models above, and do not compete for the mark."
)


def sections(
    summary: pd.DataFrame,
    snapshots: pd.DataFrame,
    certificates: pd.DataFrame,
    gaps: pd.DataFrame,
    cards: Cards = CARDS,
) -> Iterator[Section]:
    """All tables of ours, data set by data set; strong text stands between double asterisks."""
    for dataset in dict.fromkeys([*summary["dataset"], *certificates["dataset"]]):
        group = summary[summary["dataset"] == dataset]
        exact = group["exact_nats"].dropna()
        fact = f"exact log density of the data: {exact.iloc[0]:.2f}" if len(exact) else "exact value unknown"
        best = tightest(certificates[certificates["dataset"] == dataset])
        ours = gaps[gaps["dataset"] == dataset]
        others = group["estimator"].isin([name for name, card in cards.items() if not card.competes])
        yield Section(f"{dataset} ({fact})", _models_by_estimators(group[~others], best, ours, cards))
        if others.any():
            title = f"{dataset}: other models, the same denoisers in a Markov chain from level to level"
            yield Section(title, _models_by_estimators(group[others], best[:0], ours, cards))
        on_the_way = snapshots[(snapshots["dataset"] == dataset) & (snapshots["status"] == "ok")]
        if len(on_the_way):
            yield Section(f"{dataset}: bound / IW-M by number of updates", _models_by_updates(on_the_way))


def _models_by_estimators(group: pd.DataFrame, best: pd.DataFrame, gaps: pd.DataFrame, cards: Cards) -> pd.DataFrame:
    """Models down, estimators across; then the tightest bound of one replicate, where its gap is known, and the gap
    between training and test examples."""
    cells = _cells(main_rows(group), cards)
    columns = list(dict.fromkeys(cells.sort_values("order", kind="stable")["column"]))
    wide = cells.groupby(["Model", "column"], sort=False)["value"].agg("; ".join).unstack("column")
    wide = wide.reindex(index=cells["Model"].unique(), columns=columns).fillna("")
    if len(best):
        first = best.drop_duplicates(["model", "n_levels"])
        known = {label(row): tightest_entry(row) for _, row in first.iterrows()}
        alone = [name for name in known if name not in wide.index]  # models with certificates and no other estimate
        wide = wide.reindex([*wide.index, *alone], fill_value="")
        wide["Tightest (gap)"] = [known.get(name, "") for name in wide.index]
    if len(gaps):
        known = _train_minus_test(gaps)
        wide["Train - test"] = [known.get(name, "") for name in wide.index]
    return wide.reset_index()


def tightest_entry(row: pd.Series) -> str:
    """The value for the whole test split with its gap, and what speaks against either."""
    text = f"{with_error(row, 'test')} (gap {with_error(row, 'gap')})"
    if row["claim"] == Claim.NOT_CONVERGED:
        text += " †"
    return f"{text} ‡" if row["extrapolates"] else text


def _train_minus_test(gaps: pd.DataFrame) -> dict[str, str]:
    """By model, the mean gap over seeds ± its standard error [standard deviation between seeds].

    Seeds share the points, so the error over points does not shrink with their number: it is the mean of theirs.
    """
    found = {}
    for name, rows in gaps.assign(Model=[label(row) for _, row in gaps.iterrows()]).groupby("Model", sort=False):
        found[name] = estimate(rows["gap_nats"].mean(), rows["gap_standard_error_nats"].mean())
        if len(rows) > 1:
            found[name] += f" [{error(rows['gap_nats'].std(ddof=1))}]"
    return found


def _cells(rows: pd.DataFrame, cards: Cards) -> pd.DataFrame:
    """One entry per model and column: its text, and the place of its estimator in the order of the cards.

    An estimate that failed before it was known which column it belongs to stands in every column of its estimator.
    """
    rows = rows[rows["estimator"].isin(list(cards))]  # a picture that failed has a row too, and no column
    titles = [(row["estimator"], _title(row, cards)) for _, row in rows.iterrows()]
    entries = []
    for (estimator, title), (_, row) in zip(titles, rows.iterrows(), strict=True):
        known = [title] if title else list(dict.fromkeys(t for e, t in titles if e == estimator and t))
        for column in known or [cards[estimator].title.partition("{")[0].rstrip("-, ")]:
            entries.append((label(row), column, _value(row), list(cards).index(estimator)))
    return pd.DataFrame(entries, columns=["Model", "column", "value", "order"])


def _title(row: pd.Series, cards: Cards) -> str:
    """The column of a row; empty where the row failed before this was known."""
    title = cards[row["estimator"]].title
    fields = [name for _, name, _, _ in Formatter().parse(title) if name]
    return "" if any(pd.isna(row[name]) or row[name] == "" for name in fields) else title.format(**row)


def _value(row: pd.Series) -> str:
    """mean ± standard error [seed spread], or that it failed."""
    if row["n_seeds"] == 0:
        return "failed" if row["n_failed"] else "not run"
    text = estimate(row["mean_nats"], row["standard_error_nats"])
    if pd.notna(row["seed_std_nats"]):
        text += f" [{error(row['seed_std_nats'])}]"
    if abs(row["median_nats"] - row["mean_nats"]) > HEAVY_TAIL_NATS:
        text += f", median {row['median_nats']:.2f}"
    if row["n_failed"]:
        text += f" ({row['n_failed']} failed)"
    if row["n_not_run"]:
        text += f" ({row['n_not_run']} not run)"
    if row["claim"] == Claim.NOT_CONVERGED:
        text += " †"
    return f"**{text}**" if row["best"] else text


def _models_by_updates(snapshots: pd.DataFrame) -> pd.DataFrame:
    """Models down, numbers of updates across; means over seeds of the lower bound and of IW-M."""
    cells = snapshots.assign(Model=[label(row) for _, row in snapshots.iterrows()])
    means = cells.groupby(["Model", "n_updates", "estimator"], sort=False)["mean_nats"].mean().unstack("estimator")
    means = means.reindex(columns=["lower_bound", "importance_weighted"])
    text = means.map(lambda nats: "" if pd.isna(nats) else f"{nats:.1f}").agg(" / ".join, axis=1)
    wide = text.unstack("n_updates").reindex(index=cells["Model"].unique())
    wide = wide[sorted(wide.columns)].fillna("")
    return wide.rename(columns=lambda n_updates: f"{n_updates:,} updates").rename_axis(columns=None).reset_index()
