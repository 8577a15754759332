"""How far seeds are apart: standard deviations whose interval is known, and runs that diverged."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from tests.helpers import mutated
from tests.workflow.records import CELL
from workflow.tables import log_likelihood, stability
from workflow.tables.identity import table

KNOWN = {"estimator": "lower_bound", "variant": "", "last_step": "", "chain_start": "", "status": "ok"}
TWENTY = [*range(10), *range(-10, 0)]  # the median distance from their median is 5


def of(values, **changes):
    """The long table of one estimate with these values, one per seed; None is a seed that failed."""
    rows = [
        CELL | KNOWN | {"seed": seed, "mean_nats": value, "standard_error_nats": 1.0 + seed} | changes
        | ({} if value is not None else {"status": "failed", "standard_error_nats": None})
        for seed, value in enumerate(values)
    ]  # fmt: skip
    return table(rows, log_likelihood.COLUMNS)


def row(values, module=stability):
    (found,) = module.stability(of(values)).to_dict("records")
    return found


def test_mean_spread_and_range_are_those_of_the_seeds():
    found = row([1.0, 2.0, 3.0, 6.0])
    assert (found["n_seeds"], found["n_failed"], found["mean_nats"]) == (4, 0, 3.0)
    assert found["seed_std_nats"] == pytest.approx((14.0 / 3.0) ** 0.5)
    assert (found["min_nats"], found["max_nats"], found["standard_error_nats"]) == (1.0, 6.0, 2.5)
    assert found["dataset"] == CELL["dataset"] and pd.isna(found["n_far"])


@pytest.mark.parametrize("n", [3, 20])
def test_the_interval_is_that_of_the_chi_square(n):
    found = row([*np.random.default_rng(n).standard_normal(n)])
    for name, level in (("low", 0.975), ("high", 0.025)):
        expected = found["seed_std_nats"] * np.sqrt((n - 1) / chi2.ppf(level, n - 1))
        assert found[f"{name}_seed_std_nats"] == pytest.approx(expected, rel=1e-9)


def test_the_interval_holds_the_truth_in_95_percent_of_runs():
    rng, n_held = np.random.default_rng(0), 0
    for _ in range(2_000):
        found = stability.spread(pd.DataFrame({"mean_nats": 3.0 * rng.standard_normal(5), "standard_error_nats": 1.0}))
        n_held += found["low_seed_std_nats"] <= 3.0 <= found["high_seed_std_nats"]
    assert abs(n_held / 2_000 - 0.95) < 4.0 * (0.95 * 0.05 / 2_000) ** 0.5


@pytest.mark.parametrize(("value", "n_far"), [(36.5, 0), (37.6, 1), (-38.6, 1), (-37.5, 0)])
def test_a_seed_is_far_beyond_five_robust_standard_deviations_from_the_median(value, n_far):
    """Of 21 values the median is 0 or -1, and the median distance from it is 5: the limit is 37.065 from the median."""
    assert row([*TWENTY, value])["n_far"] == n_far


@pytest.mark.parametrize(("n", "share"), [(3, 0.21), (20, 0.013)])
def test_of_normal_values_so_many_sets_have_a_far_one(n, share):
    draws = np.random.default_rng(1).standard_normal((20_000, n))
    found = np.mean([stability.n_far(values) > 0 for values in draws])
    assert abs(found - share) < 4.0 * (share / 20_000) ** 0.5 + 0.005


def test_a_seed_that_failed_is_counted_and_one_that_the_machine_could_not_do_is_not():
    found = row([1.0, 2.0, None, 3.0])
    assert (found["n_seeds"], found["n_failed"], found["mean_nats"]) == (3, 1, 2.0)
    not_run = of([1.0, 2.0, None]).replace({"status": {"failed": "not run"}})
    assert stability.stability(not_run)["n_failed"].tolist() == [0]


def test_an_estimate_that_failed_for_all_seeds_has_a_row_and_a_line():
    found = row([None] * 10)
    assert (found["n_seeds"], found["n_failed"]) == (0, 10) and pd.isna(found["seed_std_nats"])
    (section,) = stability.sections(stability.stability(of([None] * 10)))
    assert section.table.to_dict("records")[0]["Diverged"] == "10"


def test_models_with_fewer_than_three_seeds_and_controls_have_no_row():
    assert stability.stability(of([1.0, 2.0])).empty and stability.stability(of(TWENTY, kind="control")).empty
    assert stability.stability(of([])).empty


def test_variants_and_models_are_apart():
    both = pd.concat([of([1.0, 2.0, 3.0]), of([4.0, 4.0, 7.0], variant="last step mean", last_step="mean"),
                      of([0.0, 0.0, 0.0], n_levels=2)])  # fmt: skip
    found = stability.stability(both)
    assert found["mean_nats"].tolist() == [2.0, 5.0, 0.0] and found["n_levels"].tolist() == [4, 4, 2]


def test_the_page_shows_those_with_ten_seeds_or_more():
    assert not list(stability.sections(stability.stability(of(range(9)))))
    (section,) = stability.sections(stability.stability(of([*TWENTY, 37.6])))
    assert section.table.to_dict("records") == [
        {"Model": "cdae, k = 4", "Estimate": "Lower bound", "Seeds": "21", "Diverged": "1", "Mean": "1.31 ± 2.21",
         "Between seeds [95%]": "10.12 [7.74, 14.61]", "Range": "-10.00 to 37.60", "Error of one": "11.00"}
    ]  # fmt: skip
    assert section.title == "mnist: how far seeds are apart" and section.sentences == (stability.SENTENCE,)


def known(module):
    """Rows of which the tests above know the right values."""
    sets = [1.0, 2.0, 3.0, 6.0], [*TWENTY, 37.6], [*TWENTY, 36.5], [*TWENTY, -38.6], [1.0, 2.0, 3.0, None]
    return [*(row(values, module) for values in sets), len(module.stability(of(TWENTY, kind="control")))]


MUTANTS = {
    "of n values": ('seeds["mean_nats"].std(ddof=1)', 'seeds["mean_nats"].std(ddof=0)'),
    "n degrees of freedom": ("chdtri(n - 1, tail)", "chdtri(n, tail)"),
    "ends exchanged": ("(TAIL, 1.0 - TAIL)", "(1.0 - TAIL, TAIL)"),
    "from the mean": ("values - np.median(values)", "values - values.mean()"),
    "not on the scale of s": ("NORMAL = 5.0, 1.4826", "NORMAL = 5.0, 1.0"),
    "far on one side": ("np.abs(values - np.median(values))", "values - np.median(values)"),
    "failed seeds do not count": ('group["status"] == FAILED, "seed"', 'group["status"] == "none", "seed"'),
    "of three seeds too": ("if n >= MANY else None", "if n >= FEWEST else None"),
    "controls": ('long["kind"] != "control"', 'long["kind"] != ""'),
    "the first error": ('seeds["standard_error_nats"].median()', 'seeds["standard_error_nats"].iloc[0]'),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert repr(known(stability)) == repr(known(stability))
    assert repr(known(mutated(stability, *MUTANTS[name]))) != repr(known(stability))
