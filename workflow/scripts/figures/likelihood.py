"""Likelihoods against the number of levels, and the terms that the lower bound is made of."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.scripts.figures.material import COLORS, COLUMN_WIDTH, PAGE_WIDTH, Material

ESTIMATORS = ["lower_bound", "importance_weighted"]
MARKERS = "os^DvP"  # of the families of cascades, one after another


def likelihood_by_levels(material: Material) -> Figure:
    """Lower bound and IW-M of every cascade against k, with the exact value and the VAE for comparison."""
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 3.0))
    summary = material.summary
    cascades = summary[(summary["kind"] == "cdae") & summary["estimator"].isin(ESTIMATORS)]
    families = list(dict.fromkeys(cascades["model"]))
    for (model, estimator), rows in cascades.groupby(["model", "estimator"], sort=False):
        _errorbar(axes, rows, model, estimator, position=families.index(model))
    _markov_line(axes, summary)
    _reference_lines(axes, summary)
    n_levels = sorted(cascades["n_levels"].unique())
    axes.set_xscale("log", base=2)
    axes.set_xticks(n_levels, [f"{k:g}" for k in n_levels])
    axes.set_xlabel("number of levels k")
    axes.set_ylabel("log-likelihood (nats per example)")
    axes.set_title(material.dataset)
    figure.legend(fontsize=6.0, handlelength=2.0, ncols=2, loc="outside lower center")
    return figure


def _label(estimator: str, n_importance_samples: float) -> str:
    return "lower bound" if estimator == "lower_bound" else f"IW-{n_importance_samples:g}"


def _errorbar(axes: Axes, rows: pd.DataFrame, model: str, estimator: str, *, position: int) -> None:
    """Mean over seeds with two standard errors, of the test points and of the seeds; a line for the first family."""
    first = position == 0
    seed_var = (rows["seed_std_nats"].fillna(0.0) ** 2) / rows["n_seeds"]
    error = 2.0 * np.sqrt(rows["standard_error_nats"] ** 2 + seed_var)
    color = COLORS[ESTIMATORS.index(estimator)]
    axes.errorbar(
        rows["n_levels"], rows["mean_nats"], yerr=error, color=color, capsize=2,
        marker=MARKERS[position % len(MARKERS)], markersize=4,
        linestyle="-" if first else "none", markerfacecolor=color if first else "white", linewidth=1.2,
        label=f"{model}, {_label(estimator, rows['n_importance_samples'].iloc[0])}",
    )  # fmt: skip


def _markov_line(axes: Axes, summary: pd.DataFrame) -> None:
    """The bound of the other model that the first cascade's denoiser makes."""
    rows = summary[(summary["estimator"] == "markov_bound") & (summary["n_seeds"] > 0)]
    if len(rows):
        rows, color = rows[rows["model"] == rows["model"].iloc[0]], COLORS[4]
        label = "same denoiser, Markov kernel"
        axes.plot(rows["n_levels"], rows["mean_nats"], "--", color=color, alpha=0.6, linewidth=1.0, label=label)


def _reference_lines(axes: Axes, summary: pd.DataFrame) -> None:
    """The exact log density of the data where it is known, and the VAE's IW-M."""
    exact = summary.loc[summary["estimator"] == "lower_bound", "exact_nats"].dropna()
    if len(exact):
        axes.axhline(exact.iloc[0], color="black", linewidth=1.0, linestyle="--", label="exact (the data's own)")
    vae = summary[(summary["kind"] == "vae") & (summary["estimator"] == "importance_weighted")]
    for _, row in vae.iterrows():
        label = f"{row['model']}, IW-{row['n_importance_samples']:g}"
        axes.axhline(row["mean_nats"], color=COLORS[2], linewidth=1.0, linestyle=":", label=label)


def by_updates(material: Material) -> Figure:
    """Bound and IW-M against k after several numbers of updates, and the deepest cascade's errors at every level."""
    curve = material.curve[(material.curve["kind"] == "cdae") & (material.curve["status"] == "ok")]
    levels = material.levels[(material.levels["kind"] == "cdae")]
    levels = levels[levels["n_levels"] == levels["n_levels"].max()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 3.0))
    numbers = sorted(curve["n_updates"].unique())
    for color, n_updates in zip(sns.color_palette("viridis", len(numbers)), numbers, strict=True):
        name = f"{n_updates:,} updates"
        for estimator, style in zip(ESTIMATORS, ("-", "--"), strict=True):
            chosen = curve[(curve["n_updates"] == n_updates) & (curve["estimator"] == estimator)]
            means = chosen.groupby("n_levels")["mean_nats"].mean()
            text = f"{name}, {_label(estimator, chosen['n_importance_samples'].iloc[0])}"
            left.plot(means.index, means, style, color=color, marker="o", markersize=3, label=text)
        means = levels[levels["n_updates"] == n_updates].groupby("corruption_std")[["mse_train", "mse_test"]].mean()
        for split, style in (("train", "-"), ("test", "--")):
            right.plot(means.index, means[f"mse_{split}"], style, color=color, label=f"{name}, {split}")
    n_levels = sorted(curve["n_levels"].unique())
    left.set_xscale("log", base=2)
    left.set_xticks(n_levels, [f"{k:g}" for k in n_levels])
    left.set(xlabel="number of levels k", ylabel="log-likelihood (nats per example)")
    left.set_title(f"{material.dataset}: during training")
    right.set(
        xlabel="corruption $c_i$ (data units)", ylabel="mean squared error per dimension", xscale="log", yscale="log"
    )
    right.set_title(f"{material.dataset}: denoiser of k = {levels['n_levels'].max():g}")
    for axes in (left, right):
        axes.legend(fontsize=6, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure


def bound_terms(material: Material) -> Figure:
    """The lower bound of every cascade taken apart: what each level takes away from the reconstruction term."""
    own = material.summary.loc[material.summary["estimator"] == "lower_bound", "model"]
    terms = material.terms[(material.terms["kind"] == "cdae") & material.terms["model"].isin(own)]
    terms = terms.groupby(["model", "n_levels", "term"], sort=False)["mean_nats"].mean().reset_index()
    models = list(terms[["model", "n_levels"]].drop_duplicates().itertuples(index=False))
    deepest = int(terms["n_levels"].max())
    level_colors = sns.color_palette("viridis", max(deepest - 1, 1))
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.8))
    for x, (model, n_levels) in enumerate(models):
        rows = terms[(terms["model"] == model) & (terms["n_levels"] == n_levels)].set_index("term")["mean_nats"]
        _waterfall(axes, x, rows, level_colors)
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(models)), [f"{model}\nk = {k:g}" for model, k in models], rotation=45, ha="right")
    axes.set_ylabel("nats per example")
    axes.set_title(f"{material.dataset}: terms of the lower bound")
    _legend(axes, level_colors)
    return figure


def _waterfall(axes: Axes, x: int, terms: pd.Series, level_colors: list) -> None:
    """Reconstruction from zero, then every divergence downwards from there to the bound."""
    top = terms["reconstruction"]
    axes.bar(x - 0.22, top, width=0.4, color=COLORS[0], linewidth=0)
    level_kl = [terms[f"level_kl_{i}"] for i in range(1, len(terms) - 1)]
    colors = [*level_colors[: len(level_kl)], "0.6"]
    for nats, color in zip([*level_kl, terms["prior_kl"]], colors, strict=True):
        axes.bar(x + 0.22, -nats, bottom=top, width=0.4, color=color, linewidth=0)
        top -= nats
    axes.plot([x - 0.42, x + 0.42], [top, top], color=COLORS[3], linewidth=2.0)


def _legend(axes: Axes, level_colors: list) -> None:
    entries = {"reconstruction": COLORS[0], "KL of level 1": level_colors[0], "KL of the prior": "0.6"}
    if len(level_colors) > 1:
        entries[f"KL of level {len(level_colors)}"] = level_colors[-1]
    handles = [plt.Rectangle((0, 0), 1, 1, color=color, label=label) for label, color in entries.items()]
    handles.append(plt.Line2D([], [], color=COLORS[3], linewidth=2.0, label="lower bound"))
    axes.figure.legend(handles=handles, fontsize=6, ncols=3, loc="outside lower center")
