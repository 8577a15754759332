"""The protocol card: how the numbers of a run were made, and what may be claimed of them, as markdown.

It stands beside every table, so that a number that is quoted can be quoted with what it means.
"""

from workflow.grid.cells import Options, sha256
from workflow.grid.record import EvaluationRecord
from workflow.tables.estimators import CARDS, CERTIFIED_NATS_PER_DIM, Claim


def card(config: Options, records: list[EvaluationRecord]) -> str:
    """Data, estimators, numerics, and the identity of configuration and code.

    Args:
        records: of every cell's evaluation.
    """
    by_dataset = {record.identity.dataset: record for record in records}
    parts = {
        "Data": [_data(name, record) for name, record in by_dataset.items()],
        "Estimates": _evaluated(config["estimators"]),
        "Certificates": _certified(config.get("certify")),
        "Numerics": [
            "Nats per example; standard errors are std / sqrt(n) over test points; the spread between seeds is apart.",
            "Likelihoods in float32 products with float64 sums, one thread; matrix products of training: "
            + "; ".join(_precisions(config["models"])) + ".",
            f"Base seed {config['base_seed']}, replicates {', '.join(map(str, config['seeds']))}; every job draws from "
            "a generator seeded by its own identity.",
        ],
        "Identity": [
            f"configuration sha256 `{sha256(config)}`",
            f"code sha256 `{sha256(sorted({record.code_sha256 for record in records}))}` over all cells; "
            "`log_likelihood.csv` has both per row.",
        ],
    }  # fmt: skip
    return "\n\n".join(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts.items())


def _data(name: str, record: EvaluationRecord) -> str:
    sizes = " / ".join(f"{record.split_sizes[split]:,}" for split in ("train", "validation", "test"))
    text = f"`{name}`: {record.dim} dimensions, {sizes} training / validation / test examples; "
    if record.n_intensity_levels is None:
        return text + "real values as they are, no bits per dimension"
    return text + (
        f"levels 0 to {record.n_intensity_levels - 1} dequantized to x = (y + u) / {record.n_intensity_levels}, "
        "u uniform, fixed once per test image; Parzen on levels without dequantization, divided by the highest"
    )


def _evaluated(settings: Options) -> list[str]:
    """A line per estimator of an evaluation."""
    return [
        f"`{name}`: {known.evaluated(settings[name])} (claim: {_claim(known.claim)})"
        for name, known in CARDS.items()
        if known.evaluated is not None and name in settings
    ]


def _certified(settings: Options | None) -> list[str]:
    """A line on what is certified, and one per estimator."""
    if settings is None:
        return ["no certificates: no gap is known of any bound"]
    own = [
        f"{model} with " + " and ".join(f"{value} {name[2:]}" for name, value in sizes.items())
        for model, sizes in settings.get("overrides", {}).items()
    ]
    lines = [
        f"`certificates.csv`: {', '.join(settings.get('datasets', ['all data sets']))}, replicates "
        f"{', '.join(map(str, settings['seeds']))}, {settings['n_points']} random test points and as many simulated "
        "from each model" + "".join(f"; {text}" for text in own),
        f"claim {Claim.CERTIFIED}: the gap between both sides on simulated data, with two standard errors, is at most "
        f"{CERTIFIED_NATS_PER_DIM:g} nats per dimension; else {_claim(Claim.STOCHASTIC)}",
    ]
    lines += [
        f"`{name}`: {known.certified(settings.get(known.certify_key or name, {}))}"
        for name, known in CARDS.items()
        if known.certified is not None
    ]
    return lines


def _claim(claim: Claim) -> str:
    """The claim, and what it becomes where the weights speak against it."""
    if claim is Claim.STOCHASTIC:
        return f"{claim}; {Claim.NOT_CONVERGED} where the weights of the points disagree"
    return str(claim)


def _precisions(models: Options) -> list[str]:
    precisions: dict[str, list[str]] = {}
    for name, options in models.items():
        if "training" in options:
            precisions.setdefault(options["training"]["matmul_precision"], []).append(name)
    return [f"{precision} ({', '.join(names)})" for precision, names in precisions.items()]
