"""Tables for reading: what is printed beside a value, and where published figures stand."""

import pandas as pd
import pytest
from workflow.scripts.certificates import COLUMNS
from workflow.scripts.markup import to_latex, to_markdown
from workflow.scripts.readable import both_sides, published_sections, sections
from workflow.scripts.train_test_gap import COLUMNS as GAP_COLUMNS

CURVE = pd.DataFrame(columns=["dataset", "model", "n_levels", "seed", "n_updates", "estimator", "mean_nats", "status"])
CERTIFICATES = pd.DataFrame(columns=COLUMNS)
GAPS = pd.DataFrame(columns=GAP_COLUMNS)
PUBLISHED = pd.DataFrame(
    [
        ("MNIST", "GAN", "parzen", "=", 225.0, 2.0, "10,000 samples", "Goodfellow et al.", 2014.0, "Table 1", "S2"),
        ("MNIST", "Glow", "bits_per_dim", "<=", 1.05, None, "dequantized", None, None, None, "S2"),
        ("TFD", "GAN", "parzen", "=", 2057.0, 26.0, "10,000 samples", "Goodfellow et al.", 2014.0, "Table 1", "S2"),
    ],
    columns=[
        "dataset", "model", "metric", "relation", "value", "standard_error", "protocol", "source_authors", "year",
        "table", "mark",
    ],
)  # fmt: skip


def row(**changes):
    defaults = {
        "dataset": "mnist", "model": "cdae", "kind": "cdae", "n_levels": 4, "estimator": "lower_bound", "variant": "",
        "n_importance_samples": pd.NA, "n_seeds": 3, "n_failed": 0, "mean_nats": 100.0, "standard_error_nats": 1.5,
        "seed_std_nats": 0.25, "median_nats": 101.0, "exact_nats": float("nan"), "best": False,
        "claim": "lower bound",
    }  # fmt: skip
    return defaults | changes


def value(**changes):
    table = next(sections(pd.DataFrame([row(**changes)]), CURVE, CERTIFICATES, GAPS)).table
    return table.iloc[0, 1]


def test_a_value_stands_with_its_errors():
    assert value() == "100.00 ± 1.50 [0.25]"
    assert value(seed_std_nats=float("nan")) == "100.00 ± 1.50"
    assert value(best=True) == "**100.00 ± 1.50 [0.25]**"
    assert value(n_failed=1) == "100.00 ± 1.50 [0.25] (1 failed)"
    assert value(n_seeds=0) == "failed"
    assert value(claim="bound, not converged") == "100.00 ± 1.50 [0.25] †"


@pytest.mark.parametrize(("median", "printed"), [(109.0, False), (111.0, True), (89.0, True)])
def test_a_median_is_printed_where_it_is_far_from_the_mean(median, printed):
    assert (f"median {median:.2f}" in value(median_nats=median)) == printed


def test_published_figures_stand_apart_with_their_source_and_only_for_their_data():
    (section,) = published_sections(PUBLISHED, ["mnist", "digits"])
    assert section.title == "mnist"
    assert section.table["Model"].tolist() == ["GAN", "Glow"]
    assert section.table["Value"].tolist() == ["225 ± 2", "≤ 1.05"]
    assert section.table["Source"].tolist() == ["Goodfellow et al., 2014, Table 1", ""]
    assert "GAN" not in to_markdown("ours", "", list(sections(pd.DataFrame([row()]), CURVE, CERTIFICATES, GAPS)))


def test_the_way_through_training_is_a_table_of_its_own():
    curve = pd.DataFrame(
        [
            ("mnist", "cdae", k, 0, n, estimator, float(n + k + plus), "ok")
            for k in (2, 4)
            for n in (1000, 50)
            for estimator, plus in (("lower_bound", 0), ("importance_weighted", 7))
        ],
        columns=CURVE.columns,
    )
    table = list(sections(pd.DataFrame([row()]), curve, CERTIFICATES, GAPS))[1].table
    assert table.columns.tolist() == ["Model", "50 updates", "1,000 updates"]
    assert table.iloc[1].tolist() == ["cdae, k = 4", "54.0 / 61.0", "1004.0 / 1011.0"]


def test_latex_is_escaped_and_strong_text_is_bold():
    tables = list(sections(pd.DataFrame([row(dataset="a_b", best=True)]), CURVE, CERTIFICATES, GAPS))
    text = to_latex("", tables)
    assert r"\textbf{100.00 $\pm$ 1.50 [0.25]}" in text and r"a\_b" in text and "**" not in text
    assert r"\toprule" in text and text.count(r"\\") == 2
    assert "| **100.00 ± 1.50 [0.25]** |" in to_markdown("title", "", tables)


def certificate(**changes):
    known = {
        "dataset": "mnist", "model": "cdae", "n_levels": 4, "seed": 0, "estimator": "annealed", "variant": "guided",
        "test_nats": 130.0, "test_standard_error_nats": 2.0, "gap_nats": 4.5, "gap_standard_error_nats": 0.25,
        "n_distributions": 1600,
        "mean_effective_sample_size": 1.0, "claim": "certified", "status": "ok", "reason": "",
    }  # fmt: skip
    return {name: (known | changes).get(name) for name in COLUMNS}


def test_the_tightest_bound_stands_beside_the_models_own():
    rows = pd.DataFrame([certificate(), certificate(estimator="all_pairs", gap_nats=50.0)])
    table = next(sections(pd.DataFrame([row()]), CURVE, rows, GAPS)).table
    assert table["Tightest (gap)"].tolist() == ["130.00 ± 2.00 (gap 4.50 ± 0.25)"]


def test_a_certificate_says_what_is_claimed_or_why_it_failed():
    rows = pd.DataFrame([certificate(), certificate(status="failed", reason="divergence", gap_nats=None)])
    (section,) = both_sides(rows)
    assert section.table["Claim"].tolist() == ["certified", "failed: divergence"]
    assert section.table["Estimator"].tolist() == ["annealed over 1,600, guided"] * 2
    assert section.table["Gap, simulated"].tolist() == ["4.50 ± 0.25", ""]


@pytest.mark.parametrize(
    ("mean", "error", "expected"),
    [
        (-14.5849, 0.0161, "-14.58 ± 0.02"),
        (-14.5849, 0.005, "-14.58 ± 0.01"),
        (-0.0052, 0.00257, "-0.005 ± 0.003"),
        (1.0, 0.00096, "1.0000 ± 0.0010"),
        (3.0, 0.0, "3.00"),
        (-0.002, 0.03, "0.00 ± 0.03"),
    ],
)
def test_an_error_that_is_not_0_does_not_read_0(mean, error, expected):
    certificates = pd.DataFrame([certificate(gap_nats=mean, gap_standard_error_nats=error)])
    (section,) = both_sides(certificates)
    assert section.table["Gap, simulated"].tolist() == [expected]


def gap(**changes):
    known = {"dataset": "mnist", "model": "cdae", "n_levels": 4, "gap_nats": 3.0, "gap_standard_error_nats": 0.5}
    return {name: (known | changes).get(name) for name in GAP_COLUMNS}


def test_the_gap_between_training_and_test_is_the_last_column():
    """Mean over seeds, the error over the points that they share, and their spread; nothing for other models."""
    summary = pd.DataFrame([row(), row(model="dae", n_levels=None, estimator="parzen")])
    gaps = pd.DataFrame([gap(seed=0), gap(seed=1, gap_nats=4.0, gap_standard_error_nats=0.7), gap(dataset="digits")])
    table = next(sections(summary, CURVE, pd.DataFrame([certificate()]), gaps)).table
    assert table.columns.tolist()[-2:] == ["Tightest (gap)", "Train - test"]
    assert table["Train - test"].tolist() == ["3.50 ± 0.60 [0.71]", ""]
    table = next(sections(summary, CURVE, CERTIFICATES, pd.DataFrame([gap()]))).table
    assert table["Train - test"].tolist() == ["3.00 ± 0.50", ""]


def test_a_failed_picture_has_no_column():
    summary = pd.DataFrame([row(), row(estimator="pictures of samples", n_seeds=0)])
    assert next(sections(summary, CURVE, CERTIFICATES, GAPS)).table.columns.tolist() == ["Model", "Lower bound"]
