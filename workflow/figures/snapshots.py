"""Cascades on the way through training: bounds against k, and the deepest one's errors at every level."""

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from workflow.figures.by_levels import set_axis_of_levels
from workflow.figures.material import Material
from workflow.figures.style import PAGE_WIDTH, no_values
from workflow.tables.estimators import CARDS

STYLES = {"lower_bound": "-", "importance_weighted": "--"}


def snapshots(material: Material) -> Figure:
    """Bound and IW-M against k after several numbers of updates, and the deepest cascade's errors at every level."""
    curve = material.snapshots[(material.snapshots["kind"] == "cdae") & (material.snapshots["status"] == "ok")]
    levels = material.levels[material.levels["kind"] == "cdae"]
    if curve.empty or levels.empty:
        return no_values(f"{material.dataset}: during training")
    levels = levels[levels["n_levels"] == levels["n_levels"].max()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, 3.0))
    numbers = sorted(curve["n_updates"].unique())
    for color, n_updates in zip(sns.color_palette("viridis", len(numbers)), numbers, strict=True):
        name = f"{n_updates:,} updates"
        for estimator, style in STYLES.items():
            chosen = curve[(curve["n_updates"] == n_updates) & (curve["estimator"] == estimator)]
            if chosen.empty:
                continue
            means = chosen.groupby("n_levels")["mean_nats"].mean()
            text = CARDS[estimator].marks[""].label.format(**chosen.iloc[0])
            left.plot(means.index, means, style, color=color, marker="o", markersize=3, label=f"{name}, {text}")
        means = levels[levels["n_updates"] == n_updates].groupby("corruption_std")[["mse_train", "mse_test"]].mean()
        for split, style in (("train", "-"), ("test", "--")):
            right.plot(means.index, means[f"mse_{split}"], style, color=color, label=f"{name}, {split}")
    set_axis_of_levels(left, curve["n_levels"])
    left.set_ylabel("log-likelihood (nats per example)")
    left.set_title(f"{material.dataset}: during training")
    right.set(
        xlabel="corruption $c_i$ (data units)", ylabel="mean squared error per dimension", xscale="log", yscale="log"
    )
    right.set_title(f"{material.dataset}: denoiser of k = {levels['n_levels'].max():g}")
    for axes in (left, right):
        axes.legend(fontsize=6, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure
