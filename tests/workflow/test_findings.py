"""The page of findings: every number is one of a table that it names, and a claim without rows is open."""

import re
import sys

import pytest

from tests.helpers import mutated
from tests.workflow.conftest import ROOT
from tests.workflow.records import (
    CELL,
    certificate,
    certificate_table,
    mixing_row,
    mixing_table_of,
    quality_row,
    quality_table,
)
from workflow.grid.products import FIGURES
from workflow.scripts import findings as command
from workflow.tables import bound_terms, denoising, evidence, findings, log_likelihood, ranking, representation
from workflow.tables.identity import read_csv, table

VAE = {"model": "vae", "kind": "vae", "n_levels": None}
ERROR = {"relative_mse_standard_error": 0.012, "status": "ok"}
PROBE = {"probe_error_standard_error": 0.011, "variant": "", "status": "ok"}
NUMBER = r"-?\d+(?:\.\d+)?"
CITED = re.compile(rf"({NUMBER})(?: ± ({NUMBER})| \[({NUMBER}), ({NUMBER})\])? \[(\w+) (\d+(?:, \d+)*)\]")


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
    others = [certificate(**VAE, test_nats=90.5), certificate(model="diffusion", kind="diffusion", test_nats=80.25)]
    rows = [CELL | {"n_levels": k, "term": "prior_kl", "mean_nats": 10.0 + k + s, "model": m, "seed": s}
            for k in (2, 4) for m in ("cdae", "cdae-markov") for s in (0, 1)]  # fmt: skip
    taus = {"dataset": "mnist", "estimator": "lower_bound", "variant": "", "n_models": 9, "n_own": 0}
    probes = [CELL | PROBE | {"n_labels": 100, "probe_error": 0.0832},
              CELL | PROBE | {"n_labels": 100, "probe_error": 0.1961, "variant": "before training"},
              CELL | PROBE | {"n_labels": 100, "probe_error": 0.0911, "model": "dae", "kind": "dae", "n_levels": None},
              CELL | PROBE | {"n_labels": 900, "probe_error": 0.5}]  # fmt: skip
    errors = [CELL | ERROR | {"model": "best linear", "kind": "control", "relative_std": c, "relative_mse": 0.08 * c}
              for c in (1.0, 8.0, 9.0)]  # fmt: skip
    errors += [CELL | ERROR | {"n_levels": k, "relative_std": c, "own_last_std": 8.0, "relative_mse": 0.1 * k}
               for k in (2, 4) for c in (8.0, 9.0)]  # fmt: skip
    return {
        "log_likelihood.csv": table([CELL], log_likelihood.COLUMNS),
        "certificates.csv": certificate_table(*cascades, *others),
        "bound_terms.csv": table(rows, bound_terms.COLUMNS),
        "sample_quality.csv": quality_table(
            quality_row(copies=0.234), quality_row(model="real examples", kind="control", n_levels=None, copies=0.456)
        ),
        "mixing.csv": mixing_table_of(
            mixing_row(effective_share=0.975),
            mixing_row(model="dae", kind="dae", n_levels=None, chain_start="noise", variant="from noise", **chains),
        ),
        "ranking.csv": table([taus | {"kendall_tau": 0.35, "low_tau": -0.1, "high_tau": 0.72}], ranking.COLUMNS),
        "denoising.csv": table(errors, denoising.COLUMNS),
        "representation.csv": table(probes, representation.COLUMNS),
    }


def sections(page):
    """The text of every claim by its title, without its number."""
    parts = re.split(r"^## \d\. (.*)\n\n", page, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def reference(name):
    """The committed tables of a run."""
    return {file: read_csv(ROOT / "results/reference" / name / file) for file in findings.TABLES}


PAGES = {
    "made by hand": tables,
    "default": lambda: reference("default"),
    "paper": lambda: reference("paper"),
    "mnist": lambda: reference("mnist"),
}


def test_every_claim_has_its_answer_with_numbers_of_the_tables():
    found = sections(findings.page(tables()))
    assert list(found) == [claim.title for claim in findings.CLAIMS] and len(found) == 5
    inference, prior, chains, measured, probes = found.values()
    assert (
        "On `mnist` the best cascade, `cdae, k = 4` with at least 104.00 ± 2.00 [certificates 3] nats, is above "
        in inference
    )
    assert "auto-encoder, `vae` with at least 90.50 ± 2.00 [certificates 4] nats." in inference
    assert "`diffusion, k = 4` with at least 80.25 ± 2.00 [certificates 5] nats" in inference
    assert "by 12.50 [bound_terms 2, 3] (`cdae, k = 2`) to 14.50 [bound_terms 6, 7] (`cdae, k = 4`) nats." in prior
    assert "0.234 ± 0.010 [sample_quality 2] (`cdae, k = 4`, of 1 cascades), below that of real" in prior
    assert "with noise of 8 [denoising 5] standard deviations of the data, the denoiser of `cdae, k = 2`" in prior
    assert "leaves an error of 0.200 ± 0.012 [denoising 5] times the variance of test examples, below that of" in prior
    assert "the best linear denoiser, 0.640 ± 0.012 [denoising 3]." in prior
    assert "`cdae, k = 4` is worth 0.975 ± 0.010 [mixing 2] independent ones, above a step of the best chain" in chains
    assert "from noise, `dae`, 0.007 ± 0.010 [mixing 3]." in chains and "class 31.2 ± 4.5 [mixing 3] times" in chains
    assert "reach 5.65 ± 0.49 [mixing 3] classes in 700 steps" in chains
    assert (
        "by 40.00 ± 0.50 [certificates 2] (`cdae, k = 2`) to 80.00 ± 0.50 [certificates 3] (`cdae, k = 4`)" in measured
    )
    assert "of 2 cascades leave gaps of at most 4.50 ± 0.25" in measured
    assert "0.35 [-0.10, 0.72] [ranking 2] by lower bound" in measured
    assert "100 labels errs on 0.083 ± 0.011 [representation 2] with features of the best cascade" in probes
    assert "not told apart from those of the best single auto-encoder, `dae`, 0.091 ± 0.011 [repr" in probes
    assert "errs on 0.196 ± 0.011 [representation 3] with `cdae, k = 4` before training" in probes


def test_a_bound_that_is_extended_to_other_examples_is_said_to_be():
    known = tables()
    certified = known["certificates.csv"].assign(extrapolates=known["certificates.csv"]["model"] == "vae")
    (said,) = evidence.without_inference("mnist", known | {"certificates.csv": certified})
    assert said.endswith("[certificates 4] nats, extended to examples unlike those of its subset")
    assert said.count("extended") == 1


def test_of_a_single_cascade_one_distance_from_the_prior_is_said():
    known = tables()
    known["bound_terms.csv"] = known["bound_terms.csv"].query("n_levels == 2")
    assert "off the prior by 12.50 [bound_terms 2, 3] (`cdae, k = 2`) nats." in findings.page(known)


@pytest.mark.parametrize(("difference", "words"), [(5.7, "above"), (5.6, "not told apart from"), (-5.7, "below")])
def test_values_are_told_apart_by_more_than_two_errors_of_their_difference(difference, words):
    """Either has an error of 2, and so the difference has one of 2.83."""
    known = tables()
    pair = certificate(test_nats=100.0 + difference), certificate(**VAE, test_nats=100.0)
    page = findings.page(known | {"certificates.csv": certificate_table(*pair)})
    assert f"nats, is {words} the best variational" in page


def untraced(text, known):
    """Numbers that are no column's mean over the rows that they name, to their decimals, and those that name no row."""
    missing = re.findall(r"-?\d+\.\d+", CITED.sub("", text))
    for *numbers, name, rows in CITED.findall(text):
        shown = known[f"{name}.csv"].iloc[[int(row) - 2 for row in rows.split(", ")]]
        means = shown.select_dtypes("number").astype(float).mean().dropna()
        for number in filter(None, numbers):
            decimals = len(number.partition(".")[2])
            missing += [] if any(f"{mean:z.{decimals}f}" == number for mean in means) else [number]
    return missing


@pytest.mark.parametrize(("error", "words"), [(0.02, "above"), (0.2, "below")])
def test_the_probe_of_the_best_cascade_is_compared_with_that_of_the_single_auto_encoder(error, words):
    known = tables()
    probes = known["representation.csv"].copy()
    probes.loc[probes["kind"] == "dae", "probe_error"] = error
    assert f"`cdae, k = 4`, {words} those of the best" in findings.page(known | {"representation.csv": probes})


def test_an_order_of_few_models_is_not_spoken_of():
    """Of four that are all in order, every bootstrap has a tau of 1."""
    known = tables()
    for n_models, is_said in ((evidence.FEWEST_RANKED, True), (evidence.FEWEST_RANKED - 1, False)):
        few = known | {"ranking.csv": known["ranking.csv"].assign(n_models=n_models)}
        assert ("Kendall's tau" in " ".join(evidence.gaps("mnist", few))) == is_said


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_every_number_is_in_the_rows_that_it_names(make):
    assert not untraced(findings.page(make()).partition("## 1.")[2], make())


def is_right(module=evidence):
    """Numbers of the rows that they name, and best rows, few labels and comparisons as they ought to be."""
    known = tables()
    functions = (module.without_inference, module.prior, module.likelihood, module.representation)
    text = " ".join(part for function in functions for part in function("mnist", known))
    right = ("`cdae, k = 4` with at least 104.00", "is above the best", "with 100 labels", "not told apart from those",
             "12.50 [bound_terms 2, 3]", "by 40.00")  # fmt: skip
    return all(words in text for words in right) and not untraced(text, known)


MUTANTS = {
    "rows counted from the first below the head": ("row + 2", "row + 1"),
    "any difference tells apart": ("TOLD_APART = 2.0", "TOLD_APART = 0.0"),
    "no difference tells apart": ("TOLD_APART = 2.0", "TOLD_APART = 1e9"),
    "above and below": ('"above" if difference > 0.0', '"above" if difference < 0.0'),
    "the worst as the best": ("-1 if largest else 0", "0 if largest else -1"),
    "most labels": ('rows["n_labels"].min()', 'rows["n_labels"].max()'),
    "other models of the same denoisers": ("~terms", "~~terms"),
    "one seed": ('rows["mean_nats"].mean()', 'rows["mean_nats"].iloc[0]'),
}


def test_the_sentences_are_right():
    assert is_right()


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert not is_right(mutated(evidence, *MUTANTS[name]))


@pytest.mark.parametrize("name", ["default", "paper", "mnist", "mixture_1d", "stability"])
def test_the_committed_page_is_what_one_command_makes_of_the_committed_tables(name, capsys, monkeypatch):
    folder = ROOT / "results/reference" / name
    monkeypatch.setattr(sys, "argv", ["findings", str(folder)])
    command.main()
    assert capsys.readouterr().out == (folder / "findings.md").read_text(encoding="utf-8")
    assert set(tables()) == set(findings.TABLES)


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_no_claim_is_longer_than_three_hundred_words_and_all_have_a_doubt_and_figures(make):
    for text in sections(findings.page(make())).values():
        assert len(text.split()) <= 300
        assert text.strip() == findings.OPEN or ("**What would change our mind:**" in text and "**Figures:**" in text)
        figures = re.search(r"\*\*Figures:\*\* (.*) of `\w+`\.", text)
        assert figures is None or set(re.findall("`([^`]+)`", figures[1])) <= set(FIGURES)


def test_of_many_data_sets_a_claim_stays_short_and_says_how_many_it_leaves_out():
    known = tables()
    copies = {
        name: table([row | {"dataset": f"d{i}"} for i in range(9) for row in frame.to_dict("records")], frame.columns)
        for name, frame in known.items()
    }
    found = sections(findings.page(copies))
    assert all(len(text.split()) <= 300 and "; 5 more in the tables." in text for text in found.values())


@pytest.mark.parametrize("without", [name for name in tables() if name != "log_likelihood.csv"])
def test_a_claim_without_rows_is_open_or_says_less(without):
    known = tables()
    page = findings.page(known | {without: known[without].iloc[:0]})
    body = page.partition("## 1.")[2]
    assert f"[{without.removesuffix('.csv')} " not in body and len(page) < len(findings.page(known))
    assert findings.OPEN in page or without in ("sample_quality.csv", "ranking.csv", "denoising.csv")


def test_of_a_run_without_rows_every_claim_is_open():
    page = findings.page({name: frame.iloc[:0] for name, frame in tables().items()})
    assert [text.strip() for text in sections(page).values()] == [findings.OPEN] * 5


def test_rows_that_failed_say_nothing():
    known = tables()
    names = ("certificates.csv", "sample_quality.csv", "mixing.csv", "representation.csv", "denoising.csv")
    body = findings.page(known | {name: known[name].assign(status="failed") for name in names}).partition("## 1.")[2]
    assert not any(f"[{name.removesuffix('.csv')} " in body for name in names)
