"""The agreement of estimators with the tightest values: Kendall's tau against SciPy, its interval, table and figure."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

from tests.helpers import mutated
from tests.workflow.records import CELL, certificate, certificate_table, material
from tests.workflow.test_figures import lines
from workflow.figures.drawers import DRAWERS
from workflow.figures.style import COLORS, GREY, use_style
from workflow.tables import log_likelihood, ranking
from workflow.tables.identity import table

RNG = np.random.default_rng(0)
CASES = [(RNG.standard_normal(9), RNG.standard_normal(9)), (RNG.integers(4, size=12), RNG.permutation(12))]


def is_right(module=ranking) -> bool:
    """With ties, and of samples, in which some models do not stand."""
    found = []
    for x, y in CASES:
        rng = np.random.default_rng(1)
        drawn = np.stack([rng.choice(len(x), size=7, replace=False) for _ in range(20)])
        counts = np.stack([np.bincount(row, minlength=len(x)) for row in drawn])
        expected = [scipy.stats.kendalltau(x[row], y[row]).statistic for row in drawn]
        known = module.settled(y, y)
        found.append(np.allclose(module.taus(x, known, counts), expected, atol=1e-12))
        whole = module.taus(x, known, np.ones((1, len(x))))[0]
        found.append(np.isclose(whole, scipy.stats.kendalltau(x, y).statistic, atol=1e-12))
    return all(found) and pairs_are_counted(module)


def pairs_are_counted(module) -> bool:
    """Pair by pair, where some ranges of references overlap, and where models stand several times."""
    rng = np.random.default_rng(4)
    x, low = rng.standard_normal((2, 10))
    high = low + rng.exponential(1.0, 10)
    x[3] = x[7]
    drawn = rng.integers(10, size=(20, 10))
    expected = [of_pairs(x[row], low[row], high[row]) for row in (np.arange(10), *drawn)]
    counts = np.stack([np.ones(10, dtype=int), *(np.bincount(row, minlength=10) for row in drawn)])
    return np.allclose(module.taus(x, module.settled(low, high), counts), expected, atol=1e-12)


def of_pairs(x, low, high):
    """Tau over the pairs whose order is known."""
    difference = distinct = n = 0
    for i, j in itertools.combinations(range(len(x)), 2):
        order = 1 if low[i] > high[j] else -1 if low[j] > high[i] else 0
        same = order * np.sign(x[i] - x[j])
        difference, distinct, n = difference + same, distinct + abs(same), n + abs(order)
    assert 0 < distinct <= n < len(x) * (len(x) - 1) / 2
    return difference / np.sqrt(distinct * n)


def test_tau_is_that_of_scipy():
    assert is_right()


MUTANTS = {
    "tau-a": ("np.sqrt(of_x * of_t)", "(len(x) * (len(x) - 1.0))"),
    "no resample": ("(counts @ pairs) * counts", "(counts @ pairs)"),
    "unsettled pairs as ties": ("(s * t) ** 2", "s * s"),
    "distances": ("np.sign(x[:, None] - x)", "x[:, None] - x"),
    "one side's ties": ("np.sqrt(of_x * of_t)", "of_x"),
    "gaps left out": ("low[:, None] > high", "low[:, None] > low"),
    "upper ends alone": ("low[:, None] > high", "high[:, None] > high"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert not is_right(mutated(ranking, *MUTANTS[name]))


def test_no_order_has_no_tau():
    assert np.isnan(ranking.taus(np.ones(4), ranking.settled(*[np.arange(4.0)] * 2), np.ones((1, 4)))[0])


def estimate(k, nats, **changes):
    known = {"estimator": "lower_bound", "variant": "", "mean_nats": nats, "status": "ok", "split": "test"}
    return CELL | known | {"n_levels": k} | changes


def tables(n=6, order=1.0, **changes):
    """Of n cascades the bound, and the tightest value, which has the same order or the opposite one."""
    levels = range(1, n + 1)
    long = [estimate(k, 10.0 * k) for k in levels]
    long += [estimate(k, -1.0 * k, estimator="parzen", variant="last step mean", last_step="mean") for k in levels]
    long += [estimate(k, 3.0, model="cdae-markov", estimator="markov_bound") for k in levels]
    long += [estimate(1, 7.0, model="dae", estimator="parzen", chain_start="noise", n_chain_steps=9)]
    long += [estimate(2, 7.0, model="cdae", seed=5)]
    certified = [certificate(n_levels=k, test_nats=10.0 * order * k, **changes) for k in levels]
    certified += [certificate(n_levels=k, variant="other", test_nats=2.0, gap_nats=99.0) for k in levels]
    return table(long, log_likelihood.COLUMNS), certificate_table(*certified)


@pytest.mark.parametrize("order", [1.0, -1.0])
def test_estimators_stand_beside_the_tightest_value_of_every_model(order):
    values = ranking.ranked_values(*tables(order=order))
    assert len(values) == 6 * 4 and set(values["reference_variant"]) == {"certified, fitted"}
    assert set(values["model"]) == {"cdae"} and set(values["seed"]) == {0}
    found = ranking.ranking(values).set_index(["estimator", "variant"])
    assert found.loc[("lower_bound", ""), "kendall_tau"] == order
    assert found.loc[("parzen", "mean"), "kendall_tau"] == -order
    assert found.loc[("annealed", "certified, fitted"), ["kendall_tau", "n_own"]].tolist() == [1.0, 6]
    assert found["n_models"].tolist() == [6] * 4 and found.loc[("lower_bound", ""), "n_own"] == 0
    known = found["kendall_tau"].dropna()
    assert known.tolist() == sorted(known, reverse=True) and np.isnan(found["kendall_tau"].iloc[-1])
    assert found["low_tau"].iloc[0] == found["high_tau"].iloc[0] == 1.0, (
        "of models in full agreement so is every resample"
    )


def test_gaps_as_large_as_the_differences_of_models_settle_no_order():
    """Values are 10 nats apart. A gap of 4.5 with two errors of 0.25 leaves all pairs, one of 10 those two apart."""
    for gap, n_pairs in ((4.5, 15), (9.6, 10), (100.0, 0)):
        found = ranking.ranking(ranking.ranked_values(*tables(gap_nats=gap, choosing_gap_nats=1.0)))
        assert set(found["n_settled_pairs"]) == {n_pairs}
        assert found["kendall_tau"].isna().all() == (n_pairs == 0)


def test_an_exact_value_is_the_reference_where_there_is_one():
    long, certified = tables()
    exact = table([estimate(k, 100.0 - k, estimator="exact") for k in range(1, 7)], log_likelihood.COLUMNS)
    values = ranking.ranked_values(type(long)(np.concatenate([long, exact]), columns=long.columns), certified)
    assert set(values["reference_estimator"]) == {"exact"} and values["reference_nats"].max() == 99.0
    assert values["highest_reference_nats"].tolist() == values["reference_nats"].tolist()


def test_the_interval_is_that_of_resampled_models():
    """Of pairs in random order it covers 0 in about 95% of the cases, and it narrows with their number."""
    rng, covered, widths = np.random.default_rng(2), 0, {6: [], 30: []}
    for n, found in widths.items():
        for _ in range(15):
            names = ["mean_nats", "reference_nats", "highest_reference_nats"]
            group = dict(zip(names, rng.standard_normal((2, n))[[0, 1, 1]], strict=True))
            one = ranking._agreement(table([], names).assign(**group))
            covered += one["low_tau"] <= 0.0 <= one["high_tau"]
            found.append(one["high_tau"] - one["low_tau"])
    assert covered >= 26 and np.mean(widths[30]) < 0.6 * np.mean(widths[6])


def test_few_models_and_no_certificates_have_no_ranking():
    assert ranking.ranking(ranking.ranked_values(*tables(3))).empty
    long, _ = tables()
    nothing = ranking.ranked_values(long, certificate_table())
    assert nothing.empty and ranking.ranking(nothing).columns.tolist() == ranking.COLUMNS


def test_the_figure_has_the_interval_of_every_estimator_and_the_ranks_of_three_by_the_reference():
    values = ranking.ranked_values(*tables(order=-1.0))
    values["model"] = values["model"].where(values["n_levels"] != 1, "vae")
    values["n_levels"] = values["n_levels"].where(values["n_levels"] != 1)
    taus = ranking.ranking(values)
    with plt.rc_context():
        use_style()
        figure = DRAWERS["ranking"](material(ranked_values=values, ranking=taus))
        figure.draw_without_rendering()
    left, right = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == [
        "parzen, mean (6)", "annealed, fitted (6)", "lower bound (6)", "annealed, other (6)"
    ]  # fmt: skip
    dots = [container[0] for container in left.containers]
    assert [dot.get_xdata()[0] for dot in dots[:3]] == taus["kendall_tau"].tolist()[:3] == [1.0, 1.0, -1.0]
    assert [dot.get_color() for dot in dots] == [COLORS[0], GREY, COLORS[0], COLORS[0]]
    names = [text.get_text() for text in right.get_yticklabels()]
    assert names == [*(f"cdae, k = {k}" for k in (6, 5, 4, 3, 2)), "vae"]
    assert lines(right) == ["paper's or own bound", "IW-M", "Parzen of samples", "same order"]
    of_the_bound = right.lines[0]
    ranks = dict(zip(of_the_bound.get_ydata().tolist(), of_the_bound.get_xdata().tolist(), strict=True))
    assert [ranks[place] for place in range(6)] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
