"""The page of findings: every number is one of a table, and a claim without rows is open."""

import re

import pytest

from tests.workflow.records import (
    CELL,
    certificate,
    certificate_table,
    mixing_row,
    mixing_table_of,
    quality_row,
    quality_table,
)
from workflow.tables import bound_terms, findings, log_likelihood, ranking, representation
from workflow.tables.identity import table

VAE = {"model": "vae", "kind": "vae", "n_levels": None}
PROBE = {"probe_error_standard_error": 0.011, "variant": "", "status": "ok"}


def tables():
    """Of one data set, with numbers that occur once."""
    chains = {"transitions": 31.25, "transitions_standard_error": 4.45, "n_steps": 700}
    chains |= {"classes_reached": 5.65, "classes_reached_standard_error": 0.49, "effective_share": 0.0074}
    cascades = [
        certificate(
            n_levels=k, test_nats=100.0 + k, over_own_bound_nats=20.0 * k, over_own_bound_standard_error_nats=0.5
        )
        for k in (2, 4)
    ]
    rows = [CELL | {"n_levels": k, "term": "prior_kl", "mean_nats": 10.0 + k, "model": m}
            for k in (2, 4) for m in ("cdae", "cdae-markov")]  # fmt: skip
    taus = {"dataset": "mnist", "estimator": "lower_bound", "variant": "", "n_models": 9, "n_own": 0}
    probes = [CELL | PROBE | {"n_labels": 100, "probe_error": 0.0832},
              CELL | PROBE | {"n_labels": 100, "probe_error": 0.0961, "variant": "before training"},
              CELL | PROBE | {"n_labels": 900, "probe_error": 0.5}]  # fmt: skip
    return {
        "log_likelihood.csv": table([CELL], log_likelihood.COLUMNS),
        "certificates.csv": certificate_table(*cascades, certificate(**VAE, test_nats=90.5)),
        "bound_terms.csv": table(rows, bound_terms.COLUMNS),
        "sample_quality.csv": quality_table(
            quality_row(copies=0.234), quality_row(model="real examples", kind="control", n_levels=None, copies=0.456)
        ),
        "mixing.csv": mixing_table_of(
            mixing_row(effective_share=0.975),
            mixing_row(model="dae", kind="dae", n_levels=None, chain_start="noise", variant="from noise", **chains),
        ),
        "ranking.csv": table([taus | {"kendall_tau": 0.35, "low_tau": -0.1, "high_tau": 0.72}], ranking.COLUMNS),
        "representation.csv": table(probes, representation.COLUMNS),
    }


def sections(page):
    """The text of every claim by its title."""
    return dict(re.findall(r"## (.*)\n\n((?:.+\n)*)", page))


def test_every_claim_has_its_sentence_with_numbers_of_the_tables():
    found = sections(findings.page(tables()))
    assert list(found) == list(findings.CLAIMS)
    inference, prior, chains, measured, probes = found.values()
    assert "`cdae, k = 4`, has at least 104.00 ± 2.00 nats" in inference and "`vae`, at least 90.50 ± 2.00" in inference
    assert "12.00 nats for `cdae, k = 2`, 14.00 nats for `cdae, k = 4` (`bound" in prior and "markov" not in prior
    assert "0.234 ± 0.010 for `cdae, k = 4`, and 0.456 ± 0.010 for real examples" in prior
    assert "worth 0.007 ± 0.010 independent samples in `dae`" in chains and "31.2 ± 4.5 times" in chains
    assert "reach 5.65 ± 0.49 classes in 700" in chains and "worth 0.975 ± 0.010 in `cdae, k = 4`" in chains
    assert "of 2 cascades" in measured and "by 40.00 ± 0.50 nats (`cdae, k = 2`, gap 4.50 ± 0.25) to 80.00" in measured
    assert "0.35 [-0.10, 0.72] by lower bound over 9 models" in measured
    assert "with 100 labels: 0.083 ± 0.011 from `cdae, k = 4`, 0.096 ± 0.011 from `cdae, k = 4, before" in probes
    assert all(sentence.rstrip().endswith(").") for text in found.values() for sentence in text.splitlines())


@pytest.mark.parametrize("without", [name for name in tables() if name != "log_likelihood.csv"])
def test_a_claim_without_rows_is_open_or_says_less(without):
    known = tables()
    page = findings.page(known | {without: known[without].iloc[:0]})
    assert f"(`{without}`" not in page and len(page) < len(findings.page(known))
    assert findings.OPEN in page or without in (
        "bound_terms.csv",
        "sample_quality.csv",
        "ranking.csv",
        "certificates.csv",
    )


def test_of_a_run_without_rows_every_claim_is_open():
    page = findings.page({name: frame.iloc[:0] for name, frame in tables().items()})
    assert list(sections(page).values()) == [f"{findings.OPEN}\n"] * 5


def test_rows_that_failed_say_nothing():
    known = tables()
    for name in ("certificates.csv", "sample_quality.csv", "mixing.csv", "representation.csv"):
        known[name] = known[name].assign(status="failed")
    page = findings.page(known)
    assert not any(f"(`{name}" in page for name in ("certificates", "sample_quality", "mixing", "representation"))
