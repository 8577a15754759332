"""Paired differences between certified models: from cells made by hand, with values and gaps that are known."""

import numpy as np
import pytest

from tests.workflow.records import CELL
from workflow.grid.certificate import CertificateRow, CertificationRecord
from workflow.grid.record import Identity
from workflow.tables import certificates_page
from workflow.tables.cells import Certified
from workflow.tables.certificates import certificates
from workflow.tables.markup import to_markdown
from workflow.tables.paired_differences import COLUMNS, paired_differences, sections, sentence

N_ALL = 200
IMAGES = np.random.default_rng(0).normal(0.0, 300.0, N_ALL)  # what models share: some images are harder than others
NOISE = np.tile([6.0, -6.0], N_ALL // 2)  # of a difference, with standard deviation 6 and mean 0


def cell(model, values, gap, indices=range(40), gap_spread=1.0, **changes):
    """A cell with one estimator; the halves of its simulated points have this gap with this spread about it."""
    row = CertificateRow(
        estimator="annealed", variant="guided", n_importance_samples=1, n_points=len(indices), gap_nats=gap,
        gap_standard_error_nats=0.1, converged=True, n_simulated=20, n_distributions=100,
    )  # fmt: skip
    indices = np.array(indices)
    upper = gap + gap_spread * np.tile([1.0, 1.0, -1.0, -1.0], 5)
    kept = {"values": values[indices], "indices": indices, "lower": np.zeros(20), "upper": upper}
    identity = Identity(**CELL | {"model": model} | changes)
    record = CertificationRecord(identity=identity, dim=784, rows=[row])
    return Certified(record, {f"annealed/guided/{name}": array for name, array in kept.items()})


def pairs(*cells):
    bounds = {c.record.identity: IMAGES for c in cells}
    return paired_differences(list(cells), certificates(list(cells), bounds))


def pair(*cells):
    (row,) = pairs(*cells).to_dict("records")
    return row


def test_every_two_models_have_a_row_and_its_reference_is_the_one_with_the_smaller_gap():
    table = pairs(*(cell(model, IMAGES, gap) for model, gap in zip("abcd", (20.0, 5.0, 30.0, 10.0), strict=True)))
    assert list(table) == COLUMNS
    assert (table["reference_model"] + table["other_model"]).tolist() == ["ba", "bc", "bd", "ac", "da", "dc"]
    assert table["reference_gap_nats"].tolist() == [5.0, 5.0, 5.0, 20.0, 10.0, 10.0]
    assert table["other_gap_nats"].tolist() == [20.0, 30.0, 10.0, 30.0, 20.0, 30.0]
    (section,) = sections(table)
    assert section.table["Other model"].tolist() == ["a, k = 4", "c, k = 4", "d, k = 4"] and len(section.sentences) == 3


def test_a_known_difference_has_the_error_of_pairs_and_its_ends_add_one_gap_each():
    row = pair(cell("a", IMAGES + 80.0 + NOISE, 4.0), cell("b", IMAGES, 35.0, gap_spread=3.0))
    error = 6.0 * np.sqrt(40 / 39) / np.sqrt(40)
    of_other, of_reference = (spread * np.sqrt(10 / 9) / np.sqrt(10) for spread in (3.0, 1.0))
    assert row["n_points"] == 40 and row["difference_nats"] == pytest.approx(80.0)
    assert row["difference_standard_error_nats"] == pytest.approx(error)
    assert row["other_gap_standard_error_nats"] == pytest.approx(of_other)
    assert row["least_difference_nats"] == pytest.approx(80.0 - 35.0)
    assert row["least_difference_standard_error_nats"] == pytest.approx(np.hypot(error, of_other))
    assert row["greatest_difference_nats"] == pytest.approx(80.0 + 4.0)
    assert row["greatest_difference_standard_error_nats"] == pytest.approx(np.hypot(error, of_reference))


@pytest.mark.parametrize(
    ("difference", "conclusion"),
    [
        (38.0, "reference higher"),  # of which the gap of the other is 35, and two joint errors 2 * 1.39
        (37.5, "not told apart"),
        (0.0, "not told apart"),
        (-6.0, "not told apart"),
        (-6.1, "other higher"),  # of which the gap of the reference is 4, and two joint errors 2 * 1.02
    ],
)
def test_a_model_is_higher_only_where_two_joint_errors_remain_when_the_gap_of_the_lower_one_is_added(
    difference, conclusion
):
    reference, other = cell("a", IMAGES + difference + NOISE, 4.0), cell("b", IMAGES, 35.0, gap_spread=3.0)
    assert pair(reference, other)["conclusion"] == conclusion
    assert pair(other, reference)["conclusion"] == conclusion


def test_a_gap_that_is_estimated_below_0_moves_no_end():
    row = pair(cell("a", IMAGES + 80.0 + NOISE, -9.0), cell("b", IMAGES, -3.0))
    assert row["reference_gap_nats"] == -9.0 and row["other_gap_nats"] == -3.0
    assert row["least_difference_nats"] == pytest.approx(80.0) == row["greatest_difference_nats"]


def test_only_common_points_count():
    reference = cell("a", IMAGES + np.where(np.arange(N_ALL) < 30, 1e6, 50.0), 4.0, indices=range(100))
    row = pair(reference, cell("b", IMAGES, 5.0, indices=range(30, 60)))
    assert row["n_points"] == 30 and row["difference_nats"] == pytest.approx(50.0)


def test_points_are_matched_by_their_indices():
    order = np.random.default_rng(1).permutation(40)
    row = pair(cell("a", IMAGES + 1.0 + NOISE, 4.0), cell("b", IMAGES, 5.0, indices=order))
    assert row["difference_nats"] == pytest.approx(1.0) and row["difference_standard_error_nats"] < 1.0


@pytest.mark.parametrize("n", [0, 1])
def test_without_common_points_nothing_is_told_apart(n):
    cells = cell("a", IMAGES + 900.0, 4.0, indices=range(40)), cell("b", IMAGES, 5.0, indices=range(40 - n, 80))
    row = pair(*cells)
    assert row["n_points"] == n and np.isnan(row["difference_nats"]) and row["conclusion"] == "not told apart"
    (section,) = sections(pairs(*cells))
    assert section.sentences == (f"a, k = 4 and b, k = 4 have {n} common points, too few to compare.",)
    assert section.table["Reference minus other"].tolist() == [""]


@pytest.mark.parametrize(("n", "conclusion"), [(9, "not told apart"), (10, "reference higher")])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fewer_than_10_common_points_tell_nothing_apart(n, conclusion, sign):
    row = pair(cell("a", IMAGES + sign * 900.0 + NOISE, 4.0), cell("b", IMAGES, 5.0, indices=range(40 - n, 80)))
    expected = "other higher" if sign < 0.0 and n == 10 else conclusion
    assert row["n_points"] == n and row["conclusion"] == expected


def test_one_model_has_no_pair_and_no_section():
    table = pairs(cell("a", IMAGES, 4.0))
    assert table.empty and list(table) == COLUMNS and list(sections(table)) == []


def test_models_of_other_data_sets_and_seeds_are_not_compared():
    cells = [
        cell(model, IMAGES, gap, dataset=dataset, seed=seed)
        for dataset, seed, gaps in (("mnist", 0, (4.0, 9.0)), ("mnist", 1, (9.0, 4.0)), ("digits", 0, (9.0, 4.0)))
        for model, gap in zip("ab", gaps, strict=True)
    ]
    table = pairs(*cells, cell("c", IMAGES, 1.0, dataset="toy"))
    assert table[["dataset", "seed", "reference_model", "other_model"]].to_numpy().tolist() == [
        ["mnist", 0, "a", "b"], ["mnist", 1, "b", "a"], ["digits", 0, "b", "a"],
    ]  # fmt: skip
    assert [section.title for section in sections(table)] == [
        "mnist: paired differences, reference a, k = 4 (seed 0)",
        "mnist: paired differences, reference b, k = 4 (seed 1)",
        "digits: paired differences, reference b, k = 4 (seed 0)",
    ]


def test_models_with_other_numbers_of_levels_or_with_none_are_told_apart_by_them():
    cells = cell("cdae", IMAGES, 4.0), cell("cdae", IMAGES, 9.0, n_levels=16), cell("vae", IMAGES, 9.0, n_levels=None)
    (section,) = sections(pairs(*cells))
    assert section.table["Other model"].tolist() == ["cdae, k = 16", "vae"]


def test_the_reference_is_chosen_by_the_half_that_is_not_reported():
    """Two models whose halves have unlike gaps: the reported ones choose nothing."""
    low, high = cell("a", IMAGES, 10.0), cell("b", IMAGES, 10.0)
    low.values["annealed/guided/upper"] = 10.0 + np.tile([-5.0, 5.0], 10) + np.tile([0.1, 0.1, -0.1, -0.1], 5)
    high.values["annealed/guided/upper"] = 10.0 + np.tile([5.0, -5.0], 10) + np.tile([0.1, 0.1, -0.1, -0.1], 5)
    row = pair(low, high)
    assert (row["reference_model"], row["reference_gap_nats"], row["other_gap_nats"]) == ("a", 15.0, 5.0)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (80.0, "a, k = 4 is above b, k = 4 by 80.00 ± 0.96 nats on 40 common points; 45.00 ± 1.39 remain when the gap "
               "of the other is added."),
        (-80.0, "b, k = 4 is above a, k = 4 by 80.00 ± 0.96 nats on 40 common points; 76.00 ± 1.02 remain when the "
                "gap of the other is added."),
        (30.0, "a, k = 4 is above b, k = 4 by 30.00 ± 0.96 nats on 40 common points; nothing remains when the gap "
               "of the other is added."),
    ],
)  # fmt: skip
def test_a_sentence_says_who_is_above_and_what_remains(difference, words):
    table = pairs(cell("a", IMAGES + difference + NOISE, 4.0), cell("b", IMAGES, 35.0, gap_spread=3.0))
    assert sentence(table.iloc[0]) == words
    page = to_markdown("Certificates", certificates_page.NOTE, sections(table))
    assert f"|\n\n- {words}\n" in page


def test_the_section_has_the_difference_both_ends_and_both_gaps():
    (section,) = sections(pairs(cell("a", IMAGES + 80.0 + NOISE, 4.0), cell("b", IMAGES, 35.0, gap_spread=3.0)))
    assert section.table.iloc[0].tolist() == [
        "b, k = 4", "40", "80.00 ± 0.96", "45.00 ± 1.39", "84.00 ± 1.02", "35.00 ± 1.00", "4.00 ± 0.33",
        "reference higher",
    ]  # fmt: skip
