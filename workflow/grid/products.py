"""The tables and figures that a run makes, by name: the one list that rules, comparison and tests read."""

from workflow.grid.cells import Options, cells, certified, pilots, snapshots
from workflow.grid.methods import kind_offers
from workflow.grid.own_estimators import own_estimators
from workflow.grid.quality import classified

TABLES = (
    "log_likelihood.csv",
    "summary.csv",
    "summary.md",
    "summary.tex",
    "published.md",
    "bound_terms.csv",
    "levels.csv",
    "gradient_variance.csv",
    "predicted_bounds.csv",
    "train_test_gap.csv",
    "certificates.csv",
    "certificates.md",
    "paired_differences.csv",
    "snapshots.csv",
    "diagnostics.csv",
    "sample_quality.csv",
    "mixing.csv",
    "representation.csv",
    "denoising.csv",
    "ranked_values.csv",
    "ranking.csv",
    "findings.md",
)
ALWAYS, WITH_SNAPSHOTS, WITH_CERTIFICATES, WITH_A_PILOT, WITH_QUALITY = (
    "always",
    "with snapshots",
    "with certificates",
    "with a pilot",
    "with quality",
)
WITH_MIXING, WITH_REPRESENTATIONS, WITH_DENOISING = "with mixing", "with representations", "with denoising"
FIGURES = {  # a figure is drawn always, with a stage, or if a model has the methods of a Protocol of `cdae.interfaces`
    "samples": ALWAYS,
    "parzen_bars": ALWAYS,
    "likelihood_by_levels": "Layered",
    "bound_terms": "Layered",
    "chain_from_prior": "Layered",
    "reconstructions": "Layered",
    "parzen_by_chain_steps": "Chained",
    "snapshots": WITH_SNAPSHOTS,
    "certified_by_levels": WITH_CERTIFICATES,
    "schedules": WITH_A_PILOT,
    "sample_quality": WITH_QUALITY,
    "mixing": WITH_MIXING,
    "representation": WITH_REPRESENTATIONS,
    "denoising": WITH_DENOISING,
    "ranking": WITH_CERTIFICATES,
}
COMMITTED_FIGURES = (  # in results/reference
    "likelihood_by_levels",
    "snapshots",
    "parzen_bars",
    "certified_by_levels",
    "schedules",
    "sample_quality",
    "mixing",
    "representation",
    "denoising",
    "ranking",
)


def figures(config: Options) -> list[str]:
    """Names of the figures of a grid."""
    all_cells = cells(config)
    stages = {
        ALWAYS: True,
        WITH_SNAPSHOTS: any(snapshots(config, cell) for cell in all_cells),
        WITH_CERTIFICATES: any(certified(config, cell) for cell in all_cells),
        WITH_A_PILOT: bool(pilots(config)),
        WITH_QUALITY: bool(classified(config)),
        WITH_MIXING: bool(classified(config)) and "mixing" in config["quality"],
        WITH_REPRESENTATIONS: bool(classified(config)) and "representation" in config["quality"],
        WITH_DENOISING: bool(classified(config)) and "denoising" in config["quality"],
    }
    kinds = {cell.kind for cell in all_cells}
    return [
        name
        for name, condition in FIGURES.items()
        if stages.get(condition) or (condition not in stages and any(kind_offers(kind, condition) for kind in kinds))
    ]


def marks(config: Options) -> dict[str, tuple[str, int]]:
    """Label and color of the curves of users' own estimators, by name; of those that have one."""
    return {name: own.mark for name, own in own_estimators(config["estimators"]) if own.mark is not None}
