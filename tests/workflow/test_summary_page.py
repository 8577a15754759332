"""The page of the summary: what is printed beside a value, and in which table a row stands."""

import pandas as pd
import pytest

from tests.workflow.records import (
    certificate,
    certificate_table,
    failed_certificate,
    failed_summary_row,
    gap,
    gap_table,
    snapshot,
    snapshot_table,
    summary_row,
    summary_table,
)
from workflow.tables.markup import Section, to_latex, to_markdown
from workflow.tables.summary_page import sections


def page(*rows, snapshots=(), certificates=(), gaps=()) -> list[Section]:
    tables = snapshot_table(*snapshots), certificate_table(*certificates), gap_table(*gaps)
    return list(sections(summary_table(*rows), *tables))


def value(**changes) -> str:
    return page(summary_row(**changes))[0].table.iloc[0, 1]


def test_a_value_stands_with_its_errors():
    assert value() == "100.00 ± 1.50 [0.25]"
    assert value(seed_std_nats=None) == "100.00 ± 1.50"
    assert value(best=True) == "**100.00 ± 1.50 [0.25]**"
    assert value(n_failed=1) == "100.00 ± 1.50 [0.25] (1 failed)"
    assert value(claim="bound, not converged") == "100.00 ± 1.50 [0.25] †"


@pytest.mark.parametrize(("median", "printed"), [(109.0, False), (111.0, True), (89.0, True)])
def test_a_median_is_printed_where_it_is_far_from_the_mean(median, printed):
    assert (f"median {median:.2f}" in value(median_nats=median)) == printed


def test_the_title_says_the_exact_value_where_it_is_known():
    assert page(summary_row())[0].title == "mnist (exact value unknown)"
    assert page(summary_row(exact_nats=-1.25))[0].title == "mnist (exact log density of the data: -1.25)"


def test_columns_stand_in_the_order_of_the_cards_and_name_what_they_are_of():
    rows = [
        summary_row(estimator="parzen", variant="last step sample", last_step="sample"),
        summary_row(estimator="parzen", variant="last step mean", last_step="mean"),
        summary_row(estimator="importance_weighted", n_importance_samples=50),
        summary_row(),
        summary_row(model="gaussian", kind="control", n_levels=None, estimator="exact"),
    ]
    (section,) = page(*rows)
    assert section.table.columns.tolist() == [
        "Model", "Exact", "Lower bound", "IW-50", "Parzen, sample", "Parzen, mean"
    ]  # fmt: skip
    assert section.table["Model"].tolist() == ["cdae, k = 4", "gaussian"]
    assert section.table.iloc[1].tolist() == ["gaussian", "100.00 ± 1.50 [0.25]", "", "", "", ""]


def test_an_estimate_that_failed_stands_in_every_column_of_its_estimator():
    failed = failed_summary_row(model="broken", n_levels=None, estimator="parzen")
    known = [summary_row(estimator="parzen", variant=f"last step {w}", last_step=w) for w in ("mean", "sample")]
    (section,) = page(*known, failed)
    assert section.table.iloc[1].tolist() == ["broken", "failed", "failed"]


def test_a_summary_of_which_everything_failed_says_so():
    rows = [failed_summary_row(estimator=name) for name in ("lower_bound", "importance_weighted", "parzen")]
    (section,) = page(*rows, certificates=[failed_certificate()])
    assert section.table.columns.tolist() == ["Model", "Lower bound", "IW", "Parzen"]
    assert section.table.iloc[0].tolist() == ["cdae, k = 4", "failed", "failed", "failed"]


def test_an_empty_summary_has_no_table():
    assert page() == []


def test_the_way_through_training_is_a_table_of_its_own():
    curve = [
        snapshot(n_levels=k, n_updates=n, estimator=estimator, mean_nats=float(n + k + plus))
        for k in (2, 4)
        for n in (1000, 50)
        for estimator, plus in (("lower_bound", 0), ("importance_weighted", 7))
    ]
    table = page(summary_row(), snapshots=curve)[1].table
    assert table.columns.tolist() == ["Model", "50 updates", "1,000 updates"]
    assert table.iloc[1].tolist() == ["cdae, k = 4", "54.0 / 61.0", "1004.0 / 1011.0"]


def test_a_bound_that_is_missing_on_the_way_through_training_leaves_its_place_empty():
    curve = [
        snapshot(n_updates=50),
        snapshot(n_updates=1000, estimator="importance_weighted", mean_nats=67.0),
        snapshot(n_updates=None, status="failed", mean_nats=None),
    ]
    (_, section) = page(summary_row(), snapshots=curve)
    assert section.table.columns.tolist() == ["Model", "50 updates", "1,000 updates"]
    assert section.table.iloc[0].tolist() == ["cdae, k = 4", "60.0 / ", " / 67.0"]
    assert len(page(summary_row(), snapshots=curve[2:])) == 1


def test_the_tightest_bound_stands_beside_the_models_own():
    rows = [certificate(), certificate(estimator="all_pairs", gap_nats=50.0), failed_certificate(variant="prior")]
    (section,) = page(summary_row(), certificates=rows)
    assert section.table["Tightest (gap)"].tolist() == ["130.00 ± 2.00 (gap 4.50 ± 0.25)"]


def test_a_model_that_has_nothing_but_certificates_has_a_row():
    """A decoder alone, on black and white images."""
    alone = [certificate(model="mine", kind="own", n_levels=None), certificate(dataset="digits", model="mine")]
    (mnist, digits) = page(summary_row(), certificates=alone)
    assert mnist.table.to_numpy().tolist() == [
        ["cdae, k = 4", "100.00 ± 1.50 [0.25]", ""],
        ["mine", "", "130.00 ± 2.00 (gap 4.50 ± 0.25)"],
    ]
    assert digits.title == "digits (exact value unknown)" and len(digits.table) == 1


def test_the_tightest_bound_has_a_dagger_where_it_has_not_converged_and_two_where_it_extrapolates():
    def tightest(**changes):
        (section,) = page(summary_row(), certificates=[certificate(**changes)])
        return section.table["Tightest (gap)"].item()

    assert tightest(claim="bound, not converged") == "130.00 ± 2.00 (gap 4.50 ± 0.25) †"
    assert tightest(claim="stochastic lower bound") == "130.00 ± 2.00 (gap 4.50 ± 0.25)"
    assert tightest(extrapolates=True) == "130.00 ± 2.00 (gap 4.50 ± 0.25) ‡"
    both = page(summary_row(), certificates=[certificate(claim="bound, not converged", extrapolates=True)])
    assert r"(gap 4.50 $\pm$ 0.25) $\dagger$ $\ddagger$" in to_latex("note", both)


def test_the_gap_beside_the_tightest_bound_is_that_of_the_half_that_did_not_choose():
    halves = {"choosing_gap_nats": 1.0, "reported_gap_nats": 7.0, "reported_gap_standard_error_nats": 0.5}
    (section,) = page(summary_row(), certificates=[certificate(**halves)])
    assert section.table["Tightest (gap)"].item() == "130.00 ± 2.00 (gap 7.00 ± 0.50)"


def test_the_gap_between_training_and_test_is_the_last_column():
    """Mean over seeds, the error over the points that they share, and their spread; nothing for other models."""
    rows = [summary_row(), summary_row(model="dae", n_levels=None, estimator="parzen", last_step="mean")]
    gaps = [gap(seed=0), gap(seed=1, gap_nats=4.0, gap_standard_error_nats=0.7), gap(dataset="digits")]
    (section,) = page(*rows, certificates=[certificate()], gaps=gaps)
    assert section.table.columns.tolist()[-2:] == ["Tightest (gap)", "Train - test"]
    assert section.table["Train - test"].tolist() == ["3.50 ± 0.60 [0.71]", ""]
    (section,) = page(*rows, gaps=[gap()])
    assert section.table["Train - test"].tolist() == ["3.00 ± 0.50", ""]


def test_a_failed_picture_has_no_column():
    (section,) = page(summary_row(), failed_summary_row(estimator="pictures of samples"))
    assert section.table.columns.tolist() == ["Model", "Lower bound"]


def test_other_models_stand_in_a_table_of_their_own():
    rows = [
        summary_row(model=m, estimator=e, n_levels=k)
        for k in (2, 4)
        for m, e in (("cdae", "lower_bound"), ("cdae-markov", "markov_bound"))
    ]
    own, other = page(*rows)
    assert own.table.columns.tolist() == other.table.columns.tolist() == ["Model", "Lower bound"]
    assert own.table["Model"].tolist() == ["cdae, k = 2", "cdae, k = 4"]
    assert other.table["Model"].tolist() == ["cdae-markov, k = 2", "cdae-markov, k = 4"]


def test_latex_is_escaped_and_strong_text_is_bold():
    tables = page(summary_row(dataset="a_b", best=True))
    text = to_latex("", tables)
    assert r"\textbf{100.00 $\pm$ 1.50 [0.25]}" in text and r"a\_b" in text and "**" not in text
    assert r"\toprule" in text and text.count(r"\\") == 2
    assert "| **100.00 ± 1.50 [0.25]** |" in to_markdown("title", "", tables)


def test_a_page_has_its_note_before_and_its_protocol_behind_the_tables():
    section = Section("a", pd.DataFrame({"x": ["1"], "y": ["2"]}))
    text = to_markdown("title", "note", [section], "made so")
    assert text == "# title\n\nnote\n\n## a\n\n| x | y |\n| --- | ---: |\n| 1 | 2 |\n\n## Protocol\n\nmade so\n"
    assert "Protocol" not in to_markdown("title", "note", [section])
