"""The tables and figures that a run makes, by name: the one list that rules, comparison and tests read."""

from collections.abc import Iterable

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
    "stability.csv",
    "diagnostics.csv",
    "sample_quality.csv",
    "mixing.csv",
    "representation.csv",
    "denoising.csv",
    "ranked_values.csv",
    "ranking.csv",
    "findings.md",
)
TEXTS = ("start", "findings")
PAGES = (  # of the report, in reading order: the texts, and a page for the files of every name in TABLES
    *TEXTS,
    "summary",
    "certificates",
    "paired_differences",
    "ranking",
    "sample_quality",
    "mixing",
    "representation",
    "denoising",
    "log_likelihood",
    "bound_terms",
    "levels",
    "predicted_bounds",
    "snapshots",
    "stability",
    "train_test_gap",
    "gradient_variance",
    "diagnostics",
    "ranked_values",
    "published",
)
ALWAYS, WITH_SNAPSHOTS, WITH_CERTIFICATES, WITH_A_PILOT, WITH_QUALITY = (
    "always",
    "with snapshots",
    "with certificates",
    "with a pilot",
    "with quality",
)
WITH_MIXING, WITH_REPRESENTATIONS, WITH_DENOISING = "with mixing", "with representations", "with denoising"
OF_JUDGED = (WITH_QUALITY, WITH_MIXING, WITH_REPRESENTATIONS, WITH_DENOISING)
FIGURES = {  # in reading order; drawn always, with a stage, or if a model has the methods of a Protocol
    "likelihoods": ALWAYS,
    "likelihood_by_levels": "Layered",
    "bound_terms": "Layered",
    "schedules": WITH_A_PILOT,
    "snapshots": WITH_SNAPSHOTS,
    "certified_by_levels": WITH_CERTIFICATES,
    "ranking": WITH_CERTIFICATES,
    "reconstructions": "Layered",
    "chain_from_prior": "Layered",
    "denoising": WITH_DENOISING,
    "samples": ALWAYS,
    "sample_quality": WITH_QUALITY,
    "parzen": ALWAYS,
    "parzen_by_chain_steps": "Chained",
    "mixing": WITH_MIXING,
    "representation": WITH_REPRESENTATIONS,
}
COMMITTED_FIGURES = (  # in results/reference
    "likelihoods",
    "likelihood_by_levels",
    "snapshots",
    "parzen",
    "certified_by_levels",
    "schedules",
    "sample_quality",
    "mixing",
    "representation",
    "denoising",
    "ranking",
)


def figures(config: Options) -> list[str]:
    """Names of the figures that every data set of a grid has."""
    return [name for name in _shown(config) if FIGURES[name] not in OF_JUDGED]


def figures_of_judged(config: Options) -> list[str]:
    """Names of the figures that data sets whose samples are judged have besides."""
    return [name for name in _shown(config) if FIGURES[name] in OF_JUDGED]


def figures_of(config: Options, dataset: str) -> list[str]:
    """Names of all figures of one data set, in reading order."""
    judged = dataset in classified(config)
    return [name for name in _shown(config) if judged or FIGURES[name] not in OF_JUDGED]


def _shown(config: Options) -> list[str]:
    all_cells = cells(config)
    judged = bool(classified(config))
    stages = {
        ALWAYS: True,
        WITH_SNAPSHOTS: any(snapshots(config, cell) for cell in all_cells),
        WITH_CERTIFICATES: any(certified(config, cell) for cell in all_cells),
        WITH_A_PILOT: bool(pilots(config)),
        WITH_QUALITY: judged,
        WITH_MIXING: judged and "mixing" in config["quality"],
        WITH_REPRESENTATIONS: judged and "representation" in config["quality"],
        WITH_DENOISING: judged and "denoising" in config["quality"],
    }
    kinds = {cell.kind for cell in all_cells}
    return [
        name
        for name, condition in FIGURES.items()
        if stages.get(condition) or (condition not in stages and any(kind_offers(kind, condition) for kind in kinds))
    ]


def place(name: str, among: Iterable[str]) -> str:
    """A name with its number, which reports sort by."""
    return f"{list(among).index(name) + 1:02d} {name.replace('_', ' ')}"


def caption(page: str) -> str:
    """The name of the text beside a page of the report; pages of tables share one, and so do texts."""
    return "findings" if page in TEXTS else "table"


def marks(config: Options) -> dict[str, tuple[str, int]]:
    """Label and color of the curves of users' own estimators, by name; of those that have one."""
    return {name: own.mark for name, own in own_estimators(config["estimators"]) if own.mark is not None}
