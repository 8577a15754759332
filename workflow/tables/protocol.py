"""The protocol card: how the numbers of a run were made, and what may be claimed of them, as markdown.

It stands beside every table, so that a number that is quoted can be quoted with what it means.
"""

from cdae.certificates.claims import CERTIFIED_BITS_PER_DIM, CERTIFIED_NATS, Claim
from workflow.grid.cells import Options, portable, sha256
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.check_binary import is_binarized
from workflow.grid.record import OK, EvaluationRecord
from workflow.tables.estimators import CARDS
from workflow.tables.own_cards import cards_of


def card(
    config: Options, records: list[EvaluationRecord], certified: list[CertificationRecord], notes: list[str]
) -> str:
    """Data, estimators, numerics, and the identity of configuration and code.

    What was done is read from the records; the configuration gives the settings that they do not hold.

    Args:
        records: of every cell's evaluation; `certified` of every cell's certification.
        notes: warnings about the user's input.
    """
    by_dataset = {record.identity.dataset: record for record in records}
    parts = {
        "Data": [_data(name, record, config["datasets"].get(name, {})) for name, record in by_dataset.items()],
        **({"Notes on the input": notes} if notes else {}),
        "Estimates": _evaluated(config["estimators"], records),
        "Certificates": _certified(config.get("certify", {}), certified),
        "Comparable": [
            "Log-likelihoods of one data set are: they are on one data scale, with one dequantization of every "
            "test example. Means over different points, such as a subset's, have the errors of their points; compare "
            "such rows by `paired_differences.csv`.",
            "Not: Parzen values with log-likelihoods, nor data sets with one another, but by bits per dimension.",
        ],
        "Numerics": [
            "Nats per example; standard errors are std / sqrt(n) over test points; the spread between seeds is apart.",
            "Likelihoods in float32 products with float64 sums, one thread" + _precisions(config["models"]) + ".",
            f"Base seed {config['base_seed']}, replicates {', '.join(map(str, config['seeds']))}; every job draws from "
            "a generator seeded by its own identity.",
        ],
        "Identity": [
            f"configuration sha256 `{sha256(portable(config))}`",
            f"code sha256 `{sha256(sorted({record.code_sha256 for record in records}))}` over all cells; "
            "`log_likelihood.csv` has both per row.",
        ],
    }  # fmt: skip
    return "\n\n".join(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts.items())


def _data(name: str, record: EvaluationRecord, options: Options) -> str:
    sizes = " / ".join(f"{record.split_sizes[split]:,}" for split in ("train", "validation", "test"))
    text = f"`{name}`: {record.dim} dimensions, {sizes} training / validation / test examples; "
    if is_binarized(options):
        return text + (
            "every pixel drawn as 0 or 1 with its gray value as the probability of 1, once for a validation or test "
            "image and anew in every training step; likelihoods of discrete images, nothing is dequantized; no bits "
            "per dimension, and no Parzen windows, which are densities of real values"
        )
    if record.n_intensity_levels is None:
        return text + "real values as they are, no bits per dimension"
    return text + (
        f"levels 0 to {record.n_intensity_levels - 1} dequantized to x = (y + u) / {record.n_intensity_levels}, "
        "u uniform, fixed once per test image; Parzen on levels without dequantization, divided by the highest"
    )


def _evaluated(settings: Options, records: list[EvaluationRecord]) -> list[str]:
    """A line per estimator that an evaluation has run."""
    used = {row.estimator for record in records for row in record.rows}
    return [
        f"`{name}`: {known.evaluated(settings[name])} (claim: {_claim(known.claim)})"
        for name, known in cards_of(settings).items()
        if known.evaluated is not None and name in used
    ]


def _certified(settings: Options, records: list[CertificationRecord]) -> list[str]:
    """A line on what is certified, and one per estimator that a certification has run."""
    rows = [row for record in records for row in record.rows if row.status == OK]
    if not rows:
        return ["no certificates: no gap is known of any bound"]
    cells = [record.identity for record in records if any(row.status == OK for row in record.rows)]
    lines = [
        f"`certificates.csv`: {', '.join(dict.fromkeys(cell.dataset for cell in cells))}; replicates "
        f"{', '.join(map(str, sorted({cell.seed for cell in cells})))}; random test points, and "
        f"{_span([row.n_simulated for row in rows])} points simulated from each model",
        f"claim `{Claim.CERTIFIED}`: the gap between both sides on simulated data, with two standard errors, is at "
        f"most {CERTIFIED_BITS_PER_DIM:g} bits per dimension, or {CERTIFIED_NATS:g} nats for data without levels",
        _repeats(rows),
        f"claim of all others: {_claim(Claim.STOCHASTIC)}",
    ]
    for name, known in CARDS.items():
        own = [row for row in rows if row.estimator == name]
        if own and known.certified is not None:
            facts = {"n_points": _span([row.n_points for row in own])}
            if own[0].n_distributions is not None:
                facts["n_distributions"] = _span([row.n_distributions for row in own])
            sentence = known.certified({**settings.get(known.certify_key or name, {}), **facts})
            lines.append(f"`{name}`: {sentence}, on {facts['n_points']} test points")
    return lines


def _repeats(rows: list[CertificateRow]) -> str:
    """What was repeated, and the claim that it allows."""
    repeated = [row for row in rows if row.n_repeats]
    if not repeated:
        return "no estimate was repeated: nothing is known of the distance to the log-likelihood on test points"
    return (
        f"claim `{Claim.CHECKED}`: also, averaging {_span([row.n_repeats for row in repeated])} independent repeats "
        f"of the whole estimate on {_span([row.n_checked for row in repeated])} of the test points adds no more than "
        "that, with two standard errors, and no other row of the model surpasses this one"
    )


def _span(numbers: list[int]) -> str:
    """The numbers in a few words."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _claim(claim: Claim) -> str:
    """The claim, and what it becomes where the weights speak against it."""
    if claim is Claim.STOCHASTIC:
        return f"{claim}; {Claim.NOT_CONVERGED} where the weights of the points disagree"
    return str(claim)


def _precisions(models: Options) -> str:
    """In which precision the models were trained that were."""
    precisions: dict[str, list[str]] = {}
    for name, options in models.items():
        if "training" in options:
            precisions.setdefault(options["training"]["matmul_precision"], []).append(name)
    words = "; ".join(f"{precision} ({', '.join(names)})" for precision, names in precisions.items())
    return f"; matrix products of training: {words}" if words else ""
