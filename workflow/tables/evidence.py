"""What the tables say of each of the paper's claims, in sentences: an answer over all data sets, and details of each.

Behind every number stands where it is from, `[certificates 13]` for row 13 of `certificates.csv`, whose head is row 1;
a mean over seeds names several rows. Two values are told apart where they differ by more than two standard errors of
their difference, as if they were independent. Nothing here is typed that a table says.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from workflow.grid.record import OK
from workflow.tables.identity import label
from workflow.tables.numbers import estimate
from workflow.tables.tightest import tightest

Tables = dict[str, pd.DataFrame]  # by the names of their files
CASCADE = "cdae"  # a kind of model
MARKOV = "-markov"  # ends the names of models that are made of another's denoiser
TOLD_APART = 2.0  # standard errors
SHOWN_OF_RANKING = ("lower_bound", "parzen")
FEWEST_RANKED = 7  # models; of fewer the bootstrap's interval can be a single point, which says more than is known


def without_inference(dataset: str, tables: Tables) -> Iterator[str]:
    """The best cascade beside the best model with a learned inference model, by their tightest bounds."""
    tight = tightest(tables["certificates.csv"])
    cascade, vae = (_best(tight[tight["kind"] == kind], "test_nats") for kind in (CASCADE, "vae"))
    if cascade is None or vae is None:
        return
    yield (
        f"on `{dataset}` the best cascade, {_tight(cascade)}, is {_compared(cascade, vae, 'test_nats')} the best "
        f"variational auto-encoder, {_tight(vae)}"
    )


def other_models(dataset: str, tables: Tables) -> Iterator[str]:
    """The best diffusion model, which has no learned inference model either."""
    tight = tightest(tables["certificates.csv"])
    best = _best(tight[tight["kind"] == "diffusion"], "test_nats")
    if best is not None:
        yield f"`{dataset}`: the best diffusion model, which needs no posterior inference either, is {_tight(best)}."


def prior(dataset: str, tables: Tables) -> Iterator[str]:
    """How far the corrupted data are from the prior at the top, for the nearest and the furthest cascade."""
    terms = tables["bound_terms.csv"]
    terms = terms[(terms["term"] == "prior_kl") & (terms["kind"] == CASCADE)]
    terms = terms[~terms["model"].str.endswith(MARKOV)]
    found = [
        (rows["mean_nats"].mean(), f"`{model}, k = {k}`", _cited("bound_terms", rows.index))
        for (model, k), rows in terms.groupby(["model", "n_levels"], sort=False, dropna=False)
    ]
    if found:
        ends = [f"{nats:.2f} {cited} ({name})" for nats, name, cited in (min(found), max(found))]
        yield f"on `{dataset}` the noisiest copies are off the prior by {' to '.join(dict.fromkeys(ends))} nats"


def copies(dataset: str, tables: Tables) -> Iterator[str]:
    """Whether samples are nearer to training examples than real examples are."""
    rows = _ok(tables["sample_quality.csv"])
    real = rows[rows["model"] == "real examples"]
    cascades = rows[(rows["kind"] == CASCADE) & (rows["last_step"] == "sample")]
    most = _best(cascades, "copies")
    if len(real) and most is not None:
        yield (
            f"`{dataset}`: the share of samples nearer to a training example than that is to another is at most "
            f"{_with(most, 'copies', 'sample_quality')} (`{label(most)}`, of {len(cascades)} cascades), "
            f"{_compared(most, real.iloc[0], 'copies')} that of real examples that nobody trained on, "
            f"{_with(real.iloc[0], 'copies', 'sample_quality')}."
        )


def denoising(dataset: str, tables: Tables) -> Iterator[str]:
    """What the best cascade's denoiser finds at the highest level within its own, beside the best linear one."""
    rows = _ok(tables["denoising.csv"])
    linear = rows[rows["model"] == "best linear"]
    within = rows[(rows["kind"] == CASCADE) & (rows["relative_std"] <= rows["own_last_std"])]
    within = within[within["relative_std"].isin(linear["relative_std"])]
    top = within[within["relative_std"] == within["relative_std"].max()]
    best = _best(top, "relative_mse", largest=False)
    if best is not None:
        beside = linear[linear["relative_std"] == best["relative_std"]].iloc[0]
        yield (
            f"`{dataset}`: from copies with noise of {best['relative_std']:.3g} {_cited('denoising', [best.name])} "
            f"standard deviations of the data, the denoiser of `{label(best)}` leaves an error of "
            f"{_with(best, 'relative_mse', 'denoising')} times the variance of test examples, "
            f"{_compared(best, beside, 'relative_mse')} that of the best linear denoiser, "
            f"{_with(beside, 'relative_mse', 'denoising')}."
        )


def samples_and_denoisers(dataset: str, tables: Tables) -> Iterator[str]:
    """Copies, and what denoisers find in practically nothing but noise."""
    yield from copies(dataset, tables)
    yield from denoising(dataset, tables)


def mixing(dataset: str, tables: Tables) -> Iterator[str]:
    """What one step of the best chain is worth beside one ancestral sample."""
    chain, samples = _best_chain(tables), _ancestral(tables)
    if chain is None or samples.empty:
        return
    worst = samples.sort_values("effective_share", kind="stable").iloc[0]
    yield (
        f"on `{dataset}` an ancestral sample of `{label(worst)}` is worth {_with(worst, 'effective_share', 'mixing')} "
        f"independent ones, {_compared(worst, chain, 'effective_share')} a step of the best chain from noise, "
        f"`{label(chain)}`, {_with(chain, 'effective_share', 'mixing')}"
    )


def chains(dataset: str, tables: Tables) -> Iterator[str]:
    """How often chains from noise change class, and how many classes they reach."""
    rows = _from_noise(tables)
    if rows.empty or _ancestral(tables).empty:
        return
    parts = [
        f"in `{label(row)}` they change class {_with(row, 'transitions', 'mixing')} times in 1,000 steps and reach "
        f"{_with(row, 'classes_reached', 'mixing')} classes in {row['n_steps']:,} steps"
        for _, row in rows.iterrows()
    ]
    yield f"`{dataset}`, chains from noise: {'; '.join(parts)}."


def likelihood(dataset: str, tables: Tables) -> Iterator[str]:
    """What the paper's bound hides: the smallest and the largest distance of the tightest bound from it."""
    tight = _over_own(tables)
    if len(tight):
        ends = [_best(tight, "over_own_bound_nats", largest=largest) for largest in (False, True)]
        over = [f"{_nats(row, 'over_own_bound')} (`{label(row)}`)" for row in ends]
        yield f"on `{dataset}` the tightest bound is above the paper's by {' to '.join(dict.fromkeys(over))} nats"


def gaps(dataset: str, tables: Tables) -> Iterator[str]:
    """How much the tightest bounds may still miss on simulated data, and how well estimators rank models."""
    tight = _over_own(tables)
    if len(tight):
        worst = _best(tight, "gap_nats")
        yield (
            f"`{dataset}`: on data simulated from the models themselves the tightest bounds of {len(tight)} cascades "
            f"leave gaps of at most {_nats(worst, 'gap')} nats (`{label(worst)}`)."
        )
    ranks = tables["ranking.csv"]
    ranks = ranks[ranks["estimator"].isin(SHOWN_OF_RANKING) & (ranks["n_models"] >= FEWEST_RANKED)]
    if len(ranks):
        parts = [
            f"{row['kendall_tau']:z.2f} [{row['low_tau']:z.2f}, {row['high_tau']:z.2f}] "
            f"{_cited('ranking', [row.name])} by "
            f"{' of '.join(filter(None, (row['estimator'].replace('_', ' '), row['variant'])))}"
            for _, row in ranks.iterrows()
        ]
        yield (
            f"`{dataset}`: Kendall's tau with the order of {ranks['n_models'].max()} models by tightest or exact "
            f"values, and its 95% interval: {'; '.join(parts)}."
        )


def representation(dataset: str, tables: Tables) -> Iterator[str]:
    """Errors of the linear probe from the fewest labels: the best cascade beside the best single auto-encoder."""
    rows = _probed(tables)
    trained = rows[rows["variant"] == ""]
    cascade, single = (
        _best(trained[trained["kind"] == kind], "probe_error", largest=False) for kind in (CASCADE, "dae")
    )
    if cascade is None or single is None:
        return
    yield (
        f"on `{dataset}` a linear probe with {rows['n_labels'].iloc[0]:,} labels errs on "
        f"{_with(cascade, 'probe_error', 'representation')} with features of the best cascade, `{label(cascade)}`, "
        f"{_compared(cascade, single, 'probe_error')} those of the best single auto-encoder, `{label(single)}`, "
        f"{_with(single, 'probe_error', 'representation')}"
    )


def before_training(dataset: str, tables: Tables) -> Iterator[str]:
    """The same errors from the best cascade's weights before training, and from the pixels."""
    rows = _probed(tables)
    cascades = rows[rows["kind"] == CASCADE]
    best = _best(cascades[cascades["variant"] == ""], "probe_error", largest=False)
    if best is None:
        return
    same = cascades[(cascades["model"] == best["model"]) & (cascades["n_levels"] == best["n_levels"])]
    before = same[(same["variant"] == "before training") & (same["seed"] == best["seed"])]
    shown = [(f"`{label(best)}` before training", row) for _, row in before.iterrows()]
    shown += [("raw pixels", row) for _, row in rows[rows["model"] == "raw pixels"].iterrows()]
    if shown:
        parts = [f"{_with(row, 'probe_error', 'representation')} with {words}" for words, row in shown]
        yield f"`{dataset}`: the same probe errs on {' and on '.join(parts)}."


def _ok(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["status"] == OK]


def _from_noise(tables: Tables) -> pd.DataFrame:
    rows = _ok(tables["mixing.csv"])
    return rows[rows["chain_start"] == "noise"]


def _best_chain(tables: Tables) -> pd.Series | None:
    return _best(_from_noise(tables), "effective_share")


def _ancestral(tables: Tables) -> pd.DataFrame:
    rows = _ok(tables["mixing.csv"])
    rows = rows[(rows["kind"] == CASCADE) & (rows["last_step"] == "sample")]
    return rows[rows["effective_share"].notna()]


def _over_own(tables: Tables) -> pd.DataFrame:
    tight = tightest(tables["certificates.csv"])
    return tight[(tight["kind"] == CASCADE) & tight["over_own_bound_nats"].notna()]


def _probed(tables: Tables) -> pd.DataFrame:
    rows = _ok(tables["representation.csv"])
    return rows[rows["n_labels"] == rows["n_labels"].min()]


def _best(rows: pd.DataFrame, by: str, *, largest: bool = True) -> pd.Series | None:
    """The row with the largest or the smallest value; None where there are no rows."""
    known = rows[rows[by].notna()].sort_values(by, kind="stable")
    return None if known.empty else known.iloc[-1 if largest else 0]


def _compared(a: pd.Series, b: pd.Series, name: str) -> str:
    """Whether a value is above another one, or below it, or not told apart from it."""
    stem, unit = (name.removesuffix("_nats"), "_nats") if name.endswith("_nats") else (name, "")
    error = np.hypot(*(row[f"{stem}_standard_error{unit}"] for row in (a, b)))
    difference = a[name] - b[name]
    if not abs(difference) > TOLD_APART * error:
        return "not told apart from"
    return "above" if difference > 0.0 else "below"


def _tight(row: pd.Series) -> str:
    extended = ", extended to examples unlike those of its subset" if row["extrapolates"] else ""
    return f"`{label(row)}` with at least {_nats(row, 'test')} nats{extended}"


def _nats(row: pd.Series, name: str) -> str:
    """A value of the table of certificates with its error, and where it is from."""
    value = estimate(row[f"{name}_nats"], row[f"{name}_standard_error_nats"])
    return f"{value} {_cited('certificates', [row.name])}"


def _with(row: pd.Series, name: str, table: str) -> str:
    """A measure with its standard error, of which it has two digits; one of chains may have no value."""
    value, error, cited = row[name], row[f"{name}_standard_error"], _cited(table, [row.name])
    if pd.isna(value):
        return f"an unknown number {cited}"
    if not error > 0.0:
        return f"{value:.3g} {cited}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:z.{decimals}f} ± {error:.{decimals}f} {cited}"


def _cited(table: str, rows: Iterable[int]) -> str:
    """Where a number is from; the head of a table is its row 1."""
    return f"[{table} {', '.join(str(row + 2) for row in rows)}]"
