"""The text that a report begins with: what was run, on what and when, whether all of it succeeded, the headline table,
and the answers to the paper's claims. All of it is made of tables.
"""

from datetime import UTC, datetime

import pandas as pd

from workflow.grid.record import OK
from workflow.tables import findings
from workflow.tables.evidence import Tables
from workflow.tables.identity import first_seeds, label
from workflow.tables.markup import Section, to_markdown
from workflow.tables.numbers import estimate
from workflow.tables.summary_page import tightest_entry
from workflow.tables.tightest import tightest

WITH_STATUS = (
    "log_likelihood.csv",
    "certificates.csv",
    "snapshots.csv",
    "sample_quality.csv",
    "mixing.csv",
    "representation.csv",
    "denoising.csv",
)
MOST_FAILURES = 10  # that are named
KINDS = {
    "cdae": "cascade",
    "diffusion": "diffusion",
    "vae": "variational auto-encoder",
    "bernoulli": "for black and white images",
    "own": "by import path",
    "control": "control",
}
HEADLINE = (
    "Of every data set the best model of each sort, by the tightest lower bound or the exact value on the test split, "
    "in nats per example ± one standard error; of several seeds the first. Own bound: a cascade's is the paper's "
    "(Eq. 4). Parzen of its samples is no bound. A dagger marks a bound that has not converged, and a double "
    "dagger ‡ one that is extended to examples unlike those that it was computed on."
)
NO_HEADLINE = "No model of this run has a tightest bound or an exact value, so there is no headline."


def start(tables: Tables) -> str:
    """The text, in markdown."""
    best = _headline(tables)
    headline = [] if best.empty else [Section("The headline", best)]
    text = to_markdown("Likelihoods of Cascading Denoising Auto-Encoders", _what_was_run(tables), headline)
    below = NO_HEADLINE if best.empty else HEADLINE
    return "\n\n".join([text, below, *_verdict(tables), *_claims(tables)]) + "\n"


def _what_was_run(tables: Tables) -> str:
    long = tables["log_likelihood.csv"]
    own = long[~long["model"].str.endswith("-markov")]
    n_models = len(own[["model", "n_levels"]].drop_duplicates())
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(long["dataset"]))
    return (
        f"{n_models} models and controls on {names}, with {own['seed'].nunique()} seed(s). Pages were written on "
        f"{datetime.now(UTC):%d %B %Y}, from tables that hold no times. The menu has findings, figures and tables in "
        "reading order, and the code of every rule; figures have captions. How each number was made stands at the "
        "end of the page `summary`."
    )


def _headline(tables: Tables) -> pd.DataFrame:
    """One row per data set and sort of model that has a tightest or exact value."""
    values = _values(tables)
    best = values.sort_values("nats", kind="stable").groupby(["dataset", "kind"], sort=False).tail(1)
    rows = []
    for dataset in dict.fromkeys(tables["log_likelihood.csv"]["dataset"]):
        for kind, words in KINDS.items():
            chosen = best[(best["dataset"] == dataset) & (best["kind"] == kind)]
            rows += [{"Data set": dataset, "Best": words} | _cells(row, tables) for _, row in chosen.iterrows()]
    return pd.DataFrame(rows, columns=["Data set", "Best", "Model", "Tightest or exact", "Own bound", "Parzen"])


def _values(tables: Tables) -> pd.DataFrame:
    """Tightest bounds and exact values of all models, with the text that the headline shows."""
    tight = tightest(tables["certificates.csv"])
    tight = tight.assign(
        nats=tight["test_nats"],
        text=[tightest_entry(row) for _, row in tight.iterrows()],
    )
    long = tables["log_likelihood.csv"]
    exact = long[(long["estimator"] == "exact") & (long["status"] == OK)]
    exact = exact.assign(nats=exact["mean_nats"], text=[f"exact: {_mean(row)}" for _, row in exact.iterrows()])
    names = ["dataset", "model", "kind", "n_levels", "seed", "nats", "text"]
    return first_seeds(pd.concat([tight[names], exact[names]], ignore_index=True))


def _cells(row: pd.Series, tables: Tables) -> dict[str, str]:
    long = tables["log_likelihood.csv"]
    same = long[(long["dataset"] == row["dataset"]) & (long["model"] == row["model"]) & (long["status"] == OK)]
    same = same[(same["seed"] == row["seed"]) & ((same["n_levels"] == row["n_levels"]) | pd.isna(row["n_levels"]))]
    own = same[same["estimator"] == "lower_bound"]
    parzen = same[(same["estimator"] == "parzen") & (same["last_step"] == "sample")]
    return {
        "Model": label(row),
        "Tightest or exact": row["text"],
        "Own bound": _first(own),
        "Parzen": _first(parzen),
    }


def _first(rows: pd.DataFrame) -> str:
    return _mean(rows.iloc[0]) if len(rows) else ""


def _mean(row: pd.Series) -> str:
    return estimate(row["mean_nats"], row["standard_error_nats"])


def _verdict(tables: Tables) -> list[str]:
    """Whether everything succeeded, and what did not."""
    failed = [
        f"- `{name}`: `{label(row)}` on `{row['dataset']}`: {row['status']}"
        for name in WITH_STATUS
        for _, row in tables[name][tables[name]["status"] != OK].iterrows()
    ]
    n_rows = sum(len(tables[name]) for name in WITH_STATUS)
    words = f"All {n_rows:,} estimates succeeded." if not failed else f"{len(failed)} of {n_rows:,} estimates failed:"
    more = [f"- and {len(failed) - MOST_FAILURES} more"] if len(failed) > MOST_FAILURES else []
    return ["## The verdict on the run", words, "\n".join([*failed[:MOST_FAILURES], *more])]


def _claims(tables: Tables) -> list[str]:
    """The answer to every claim, as the findings give it."""
    shares = dict(findings.by_dataset(tables))
    answers = [(claim.title, findings.answer(claim, shares) or findings.OPEN) for claim in findings.CLAIMS]
    note = "Behind a number stands where it is from: `[certificates 13]` is row 13 of the page `certificates`."
    return [
        "## The paper's claims",
        note,
        *(f"**{title}.** {text.removeprefix('**Answer:** ')}" for title, text in answers),
    ]
