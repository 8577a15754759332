"""The protocol card: how the numbers of a run were made, and what may be claimed of them, as markdown.

It stands beside every table, so that a number that is quoted can be quoted with what it means.
"""

from typing import Any

from workflow.scripts import grid
from workflow.scripts.certificates import CERTIFIED_NATS_PER_DIM

Options = dict[str, Any]


def card(config: Options, records: list[Options]) -> str:
    """Data, estimators, numerics, and the identity of configuration and code.

    Args:
        records: of every cell's evaluation.
    """
    by_dataset = {record["dataset"]: record for record in records}
    parts = {
        "Data": [_data(name, record) for name, record in by_dataset.items()],
        "Estimates": [*_estimates(config["estimators"]), *_certificates(config.get("certify"))],
        "Numerics": [
            "Nats per example; standard errors are std / sqrt(n) over test points; the spread between seeds is apart.",
            "Likelihoods in float32 products with float64 sums, one thread; matrix products of training: "
            + "; ".join(_precisions(config["models"])) + ".",
            f"Base seed {config['base_seed']}, replicates {', '.join(map(str, config['seeds']))}; every job draws from "
            "a generator seeded by its own identity.",
        ],
        "Identity": [
            f"configuration sha256 `{grid.sha256(config)}`",
            f"code sha256 `{grid.sha256(sorted({record['code_sha256'] for record in records}))}` over all cells; "
            "`log_likelihood.csv` has both per row.",
        ],
    }  # fmt: skip
    return "\n\n".join(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts.items())


def _data(name: str, record: Options) -> str:
    sizes = " / ".join(f"{record['split_sizes'][split]:,}" for split in ("train", "validation", "test"))
    text = f"`{name}`: {record['dim']} dimensions, {sizes} training / validation / test examples; "
    if record["n_intensity_levels"] is None:
        return text + "real values as they are, no bits per dimension"
    return text + (
        f"levels 0 to {record['n_intensity_levels'] - 1} dequantized to x = (y + u) / {record['n_intensity_levels']}, "
        "u uniform, fixed once per test image; Parzen on levels without dequantization, divided by the highest"
    )


def _estimates(settings: Options) -> list[str]:
    weighted = settings["importance_weighted"]
    return [
        "`exact`: log density in closed form (claim: exact)",
        f"`lower_bound`: Eq. 4 on the whole test split, {settings['lower_bound']['n_draws']} draws per example (claim: "
        "lower bound)",
        f"`importance_weighted`: Eq. 11 under the model's own inference model, M = {weighted['n_importance_samples']}, "
        f"on at most {weighted['n_points']} random test points that all models share (claim: stochastic lower bound; "
        "bound, not converged where the weights of the points disagree)",
        f"`parzen`: protocol goodfeli2014, {settings['parzen']['n_samples']:,} samples, bandwidth by the first 1,000 "
        "validation examples (claim: no bound)",
        *_markov(settings),
    ]


def _markov(settings: Options) -> list[str]:
    if "markov_bound" not in settings:
        return []
    n_draws = settings["markov_bound"]["n_draws"]
    return [
        f"`markov_bound`: of another model made of the same denoiser, in rows of its own, {n_draws} draws per example "
        "(claim: lower bound)"
    ]


def _certificates(settings: Options | None) -> list[str]:
    if settings is None:
        return ["no certificates: no gap is known of any bound"]
    weighted, annealing = settings["importance_weighted"], settings["annealing"]
    own = [
        f"{model} with " + " and ".join(f"{value} {name[2:]}" for name, value in sizes.items())
        for model, sizes in settings.get("overrides", {}).items()
    ]
    return [
        f"`certificates.csv`: {', '.join(settings.get('datasets', ['all data sets']))}, replicates "
        f"{', '.join(map(str, settings['seeds']))}, {settings['n_points']} random test "
        "points and as many simulated from each model; importance sampling on "
        f"{weighted['n_points']} test points, M = {weighted['n_importance_samples']}; annealing over "
        f"{annealing['n_distributions']} distributions, {annealing['n_leapfrog']} leapfrog steps, "
        f"{annealing['n_chains']} chains per point, step sizes fixed by a pilot on training examples"
        + "".join(f"; {text}" for text in own),
        "claim certified: the gap between both sides on simulated data, with two standard errors, is at most "
        f"{CERTIFIED_NATS_PER_DIM:g} nats per dimension; else stochastic lower bound, or bound, not converged",
    ]


def _precisions(models: Options) -> list[str]:
    precisions: dict[str, list[str]] = {}
    for name, options in models.items():
        if "training" in options:
            precisions.setdefault(options["training"]["matmul_precision"], []).append(name)
    return [f"{precision} ({', '.join(names)})" for precision, names in precisions.items()]
