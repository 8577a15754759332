"""The page of findings: what the tables of a run say of each of the paper's claims, one sentence per data set.

Every number comes from a table, and the sentence ends with the table and the rows that it is from. A claim that no row
speaks to is said to be open. Nothing is judged here: numbers stand with their errors, ± one standard error.
"""

import math
from collections.abc import Callable, Iterator

import pandas as pd

from workflow.grid.record import OK
from workflow.tables.identity import label
from workflow.tables.numbers import estimate
from workflow.tables.tightest import tightest

Tables = dict[str, pd.DataFrame]  # by the names of their files
OPEN = "Nothing in this run speaks to it."
NOTE = (
    "What the tables of this run say of each claim. All numbers are made from the tables that the sentences name, with "
    "± one standard error; a number without an error has none. A best model is the one with the largest value, so by "
    "chance that value is a little too large."
)
CASCADE = "cdae"  # a kind of model
MARKOV = "-markov"  # ends the names of models that are made of another's denoiser


def page(tables: Tables) -> str:
    """The page, in markdown."""
    parts = ["# Findings", NOTE]
    for title, sentences in CLAIMS.items():
        found = [f"- {sentence}" for dataset, share in by_dataset(tables) for sentence in sentences(dataset, share)]
        parts += [f"## {title}", "\n".join(found) or OPEN]
    return "\n\n".join(parts) + "\n"


def by_dataset(tables: Tables) -> Iterator[tuple[str, Tables]]:
    """Every data set with its share of the tables, in their order."""
    for dataset in dict.fromkeys(tables["log_likelihood.csv"]["dataset"]):
        yield dataset, {name: frame[frame["dataset"] == dataset] for name, frame in tables.items()}


def without_inference(dataset: str, tables: Tables) -> Iterator[str]:
    """The best cascade beside the best model with a learned inference model, by their tightest bounds."""
    tight = tightest(tables["certificates.csv"])
    best = [_best(tight[tight["kind"] == kind], "test_nats", largest=True) for kind in (CASCADE, "vae")]
    if any(row is None for row in best):
        return
    cascade, vae = (_nats(row, "test_nats", "test_standard_error_nats") for row in best)
    yield (
        f"`{dataset}`: the best cascade, `{label(best[0])}`, has at least {cascade} nats, and the best variational "
        f"auto-encoder, `{label(best[1])}`, at least {vae} (`certificates.csv`, tightest)."
    )


def global_denoising(dataset: str, tables: Tables) -> Iterator[str]:
    """How far the corrupted data are from the prior at the top, and whether samples are copies."""
    terms = tables["bound_terms.csv"]
    terms = terms[(terms["term"] == "prior_kl") & (terms["kind"] == CASCADE)]
    terms = terms[~terms["model"].str.endswith(MARKOV)]
    means = terms.groupby(["model", "n_levels"], sort=False, dropna=False)["mean_nats"].mean()
    if len(means):
        parts = [f"{nats:.2f} nats for `{model}, k = {k}`" for (model, k), nats in means.items()]
        yield f"`{dataset}`: the noisiest copies are off the prior by {', '.join(parts)} (`bound_terms.csv`, prior_kl)."
    quality = tables["sample_quality.csv"]
    quality = quality[quality["status"] == OK]
    real = quality[quality["model"] == "real examples"]
    cascades = quality[(quality["kind"] == CASCADE) & (quality["last_step"] == "sample")]
    if len(real) and len(cascades):
        parts = [f"{_with(row, 'copies')} for `{label(row)}`" for _, row in cascades.iterrows()]
        yield (
            f"`{dataset}`: the share of samples nearer to a training example than that is to another is "
            f"{', '.join(parts)}, and {_with(real.iloc[0], 'copies')} for real examples that nobody trained on "
            "(`sample_quality.csv`, copies)."
        )


def mixing(dataset: str, tables: Tables) -> Iterator[str]:
    """What one step of a chain is worth beside one ancestral sample."""
    rows = tables["mixing.csv"]
    rows = rows[rows["status"] == OK]
    chains = rows[rows["chain_start"] == "noise"]
    samples = rows[(rows["kind"] == CASCADE) & (rows["last_step"] == "sample")]
    if chains.empty or samples.empty:
        return
    steps = [
        f"{_with(row, 'effective_share')} independent samples in `{label(row)}`, whose chains change class "
        f"{_with(row, 'transitions')} times in 1,000 steps and reach {_with(row, 'classes_reached')} classes in "
        f"{row['n_steps']:,}"
        for _, row in chains.iterrows()
    ]
    ancestral = [f"{_with(row, 'effective_share')} in `{label(row)}`" for _, row in samples.iterrows()]
    yield (
        f"`{dataset}`: a step of a chain from noise is worth {'; '.join(steps)}. An ancestral sample is worth "
        f"{', '.join(ancestral)} (`mixing.csv`)."
    )


def likelihood(dataset: str, tables: Tables) -> Iterator[str]:
    """What the paper's bound hides, and how well estimators rank models."""
    tight = tightest(tables["certificates.csv"])
    tight = tight[(tight["kind"] == CASCADE) & tight["over_own_bound_nats"].notna()]
    if len(tight):
        ends = [_best(tight, "over_own_bound_nats", largest=largest) for largest in (False, True)]
        over = [
            f"{_nats(row, 'over_own_bound_nats', 'over_own_bound_standard_error_nats')} nats (`{label(row)}`, gap "
            f"{_nats(row, 'gap_nats', 'gap_standard_error_nats')})"
            for row in ends
        ]
        yield (
            f"`{dataset}`: of {len(tight)} cascades the tightest bound is above the paper's by {over[0]} to {over[1]} "
            "(`certificates.csv`, tightest)."
        )
    ranks = tables["ranking.csv"]
    ranks = ranks[ranks["estimator"].isin(["lower_bound", "parzen"])]
    if len(ranks):
        parts = [
            f"{row['kendall_tau']:.2f} [{row['low_tau']:.2f}, {row['high_tau']:.2f}] by "
            f"{' of '.join(filter(None, (row['estimator'].replace('_', ' '), row['variant'])))} over "
            f"{row['n_models']} models"
            for _, row in ranks.iterrows()
        ]
        yield (
            f"`{dataset}`: Kendall's tau with the order by tightest or exact values, and its 95% interval over models: "
            f"{'; '.join(parts)} (`ranking.csv`)."
        )


def representation(dataset: str, tables: Tables) -> Iterator[str]:
    """Errors of the linear probe from the fewest labels, before and after training, beside the pixels."""
    rows = tables["representation.csv"]
    rows = rows[(rows["status"] == OK) & (rows["n_labels"] == rows["n_labels"].min())]
    shown = rows[rows["kind"].isin([CASCADE, "dae"]) | (rows["model"] == "raw pixels")]
    if not (rows["kind"] == CASCADE).any():
        return
    parts = [
        f"{_with(row, 'probe_error')} from `{', '.join(filter(None, (label(row), row['variant'])))}`"
        for _, row in shown.iterrows()
    ]
    yield (
        f"`{dataset}`: test error of a linear probe with {rows['n_labels'].iloc[0]:,} labels: {', '.join(parts)} "
        "(`representation.csv`)."
    )


def _best(rows: pd.DataFrame, by: str, *, largest: bool) -> pd.Series | None:
    """The row with the largest or the smallest value; None where there are no rows."""
    known = rows[rows[by].notna()].sort_values(by, kind="stable")
    return None if known.empty else known.iloc[-1 if largest else 0]


def _nats(row: pd.Series, name: str, error: str) -> str:
    return estimate(row[name], row[error])


def _with(row: pd.Series, name: str) -> str:
    """A measure with its standard error, of which it has two digits; one of chains may have no value."""
    value, error = row[name], row[f"{name}_standard_error"]
    if pd.isna(value):
        return "an unknown number of"
    if not error > 0.0:
        return f"{value:.3g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:z.{decimals}f} ± {error:.{decimals}f}"


CLAIMS: dict[str, Callable[[str, Tables], Iterator[str]]] = {
    "A directed model is trained without posterior inference": without_inference,
    "Clean samples come from practically the prior": global_denoising,
    "Ancestral sampling cures the mixing of chains": mixing,
    "The likelihood becomes measurable": likelihood,
    "Training over all levels helps representations": representation,
}
