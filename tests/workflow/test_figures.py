"""Every figure from material made by hand: its labels, its limits, and how many lines, bars and panels it has."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cdae.computing.arrays import write_npz
from tests.workflow.records import (
    CELL,
    certificate,
    certificate_table,
    failed_certificate,
    failed_summary_row,
    material,
    snapshot,
    snapshot_table,
    summary_row,
    summary_table,
)
from workflow.figures.chain_from_prior import aligned
from workflow.figures.drawers import DRAWERS
from workflow.figures.material import TABLES, load
from workflow.figures.panels import point_limits, tile
from workflow.figures.sample_quality import _log_axis
from workflow.figures.samples import _filled, _fitting, _row_height, _title_size
from workflow.figures.style import (
    COLORS,
    COLUMN_WIDTH,
    GREY,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    color,
    no_values,
    save,
    use_style,
)
from workflow.tables import bound_terms, diagnostics, levels, predicted_bounds
from workflow.tables.estimators import Mark
from workflow.tables.identity import table, write_csv

MOST_PANELS_LAID_OUT = 8  # a layout of dozens of panels takes a second


@pytest.fixture(autouse=True)
def style():
    """The project's, for one test."""
    with plt.rc_context():
        use_style()
        yield
        plt.close("all")


def draw(name, **changes):
    figure = DRAWERS[name](material(**changes))
    if len(figure.axes) <= MOST_PANELS_LAID_OUT:
        figure.draw_without_rendering()  # where a layout that does not fit would warn
    return figure


def lines(axes):
    """Labels of the lines with an entry in the legend."""
    return [text for text in axes.get_legend_handles_labels()[1] if not text.startswith("_")]


def cascade_rows(**changes):
    """Lower bound and IW-50 of a cascade of two and of four levels."""
    return [
        summary_row(n_levels=k, estimator=estimator, n_importance_samples=m, mean_nats=10.0 * k) | changes
        for estimator, m in (("lower_bound", None), ("importance_weighted", 50))
        for k in (2, 4)
    ]


def vae_row(**changes):
    return summary_row(model="vae", kind="vae", n_levels=None, **changes)


# Nothing to draw


@pytest.mark.parametrize("name", DRAWERS)
def test_a_figure_without_rows_and_pictures_says_so(name):
    figure = draw(name)
    assert [text.get_text() for text in figure.texts if text is not figure._suptitle] == ["no values"]
    assert "mnist" in figure.get_suptitle() and figure.axes == []


@pytest.mark.parametrize("name", DRAWERS)
def test_a_figure_of_which_every_row_failed_says_so(name):
    estimators = ("lower_bound", "importance_weighted", "markov_bound", "parzen", "exact")
    failed = [failed_summary_row(estimator=e, n_levels=k) for e in estimators for k in (2, 4)]
    failed += [failed_summary_row(model="dae", kind="dae", n_levels=None, estimator="parzen")]
    figure = draw(
        name,
        summary=summary_table(*failed, failed_summary_row(model="vae", kind="vae", estimator="importance_weighted")),
        certificates=certificate_table(failed_certificate(), failed_certificate(estimator="all")),
        snapshots=snapshot_table(snapshot(status="failed", mean_nats=None)),
        pictures={"cdae-k4": {}, "dae": {}},
    )
    assert "no values" in [text.get_text() for text in figure.texts]


def test_a_long_title_of_no_values_stays_within_the_figure():
    figure = no_values("binarized_fashion_mnist: test examples corrupted and denoised at every level")
    box = figure._suptitle.get_window_extent(figure.canvas.get_renderer())
    assert box.x0 >= 0.0 and box.x1 <= figure.bbox.x1


def test_no_values_has_its_title():
    figure = no_values("mnist: samples")
    assert figure.get_suptitle() == "mnist: samples" and [t.get_text() for t in figure.texts] == [
        "mnist: samples", "no values"
    ]  # fmt: skip


# likelihood_by_levels


def test_likelihood_by_levels_has_a_line_per_bound_and_the_values_to_compare_with():
    rows = [*cascade_rows(exact_nats=60.0), vae_row(estimator="importance_weighted", n_importance_samples=50)]
    rows += [summary_row(model="cdae-markov", estimator="markov_bound", n_levels=k) for k in (2, 4)]
    rows += cascade_rows(model="cdae-conditioned")
    (axes,) = draw("likelihood_by_levels", summary=summary_table(*rows)).axes
    assert set(lines(axes)) == {
        "cdae, lower bound", "cdae, IW-50", "cdae-conditioned, lower bound", "cdae-conditioned, IW-50",
        "same denoiser, Markov kernel", "exact (the data's own)", "vae, IW-50",
    }  # fmt: skip
    assert len(axes.containers) == 4
    assert axes.get_xscale() == "log" and [t.get_text() for t in axes.get_xticklabels()] == ["2", "4"]
    assert axes.get_xlabel() == "number of levels k" and axes.get_title() == "mnist"
    by_label = {container.get_label(): container for container in axes.containers}
    assert by_label["cdae, lower bound"][0].get_ydata().tolist() == [20.0, 40.0]
    assert by_label["cdae, lower bound"][0].get_linestyle() == "-"
    assert by_label["cdae-conditioned, lower bound"][0].get_linestyle() == "None"


def test_an_estimator_of_a_user_has_its_curve_where_it_has_a_mark():
    rows = [*cascade_rows(), *(summary_row(estimator="mine", n_levels=k, mean_nats=7.0 * k) for k in (2, 4))]
    marks = {"mine": Mark("my bound", 3)}
    (axes,) = draw("likelihood_by_levels", summary=summary_table(*rows), marks=marks).axes
    assert set(lines(axes)) == {"cdae, lower bound", "cdae, IW-50", "cdae, my bound"}
    by_label = {container.get_label(): container for container in axes.containers}
    assert by_label["cdae, my bound"][0].get_ydata().tolist() == [14.0, 28.0]
    (axes,) = draw("likelihood_by_levels", summary=summary_table(*rows)).axes
    assert set(lines(axes)) == {"cdae, lower bound", "cdae, IW-50"}


def test_its_bars_are_two_errors_of_points_and_of_seeds_together():
    (axes,) = draw("likelihood_by_levels", summary=summary_table(*cascade_rows()[:2])).axes
    low, high = axes.containers[0][2][0].get_segments()[0][:, 1]
    assert (high - low) / 2.0 == pytest.approx(2.0 * np.sqrt(1.5**2 + 0.25**2 / 3))


def test_a_cascade_that_failed_leaves_the_names_of_the_others_as_they_are():
    failed = [failed_summary_row(n_levels=1, estimator="importance_weighted")]
    failed += [failed_summary_row(model="vae", kind="vae", n_levels=None, estimator="importance_weighted")]
    (axes,) = draw("likelihood_by_levels", summary=summary_table(*failed, *cascade_rows())).axes
    assert set(lines(axes)) == {"cdae, lower bound", "cdae, IW-50"}
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "4"]


# bound_terms


def terms(n_levels, model="cdae", top=100.0):
    values = {"reconstruction": top, "prior_kl": 5.0} | {f"level_kl_{i}": 10.0 for i in range(1, n_levels)}
    cell = CELL | {"model": model, "n_levels": n_levels}
    return [cell | {"seed": s, "term": name, "mean_nats": nats} for s in (0, 1) for name, nats in values.items()]


def test_bound_terms_fall_from_the_reconstruction_to_the_bound():
    rows = terms(1) + terms(3) + terms(3, model="cdae-markov")
    known = summary_table(summary_row(n_levels=1), summary_row(n_levels=3))
    figure = draw("bound_terms", bound_terms=table(rows, bound_terms.COLUMNS), summary=known)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["cdae\nk = 1", "cdae\nk = 3"]
    assert len(axes.patches) == (1 + 1) + (1 + 3)
    ends = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 2.0]
    assert ends == [100.0 - 5.0, 100.0 - 2 * 10.0 - 5.0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "reconstruction", "KL of level 1", "KL of the prior", "KL of level 2", "lower bound"
    ]  # fmt: skip
    assert axes.get_ylim()[0] <= 0.0 and axes.get_ylim()[1] >= 100.0 and axes.get_title().startswith("mnist")


@pytest.mark.parametrize("n", [10, 17])
def test_names_below_the_terms_do_not_run_into_one_another(n):
    names = [f"cdae-geometric-{i:02}" for i in range(n)]
    rows = [row for name in names for row in terms(4, model=name)]
    known = summary_table(*(summary_row(model=name) for name in names))
    figure = draw("bound_terms", bound_terms=table(rows, bound_terms.COLUMNS), summary=known)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert len(boxes) == n and all(left.x1 <= right.x0 + 1.0 for left, right in itertools.pairwise(boxes))


# parzen and parzen_by_chain_steps


def parzen(model="cdae", last_step="sample", **changes):
    known = {"estimator": "parzen", "variant": f"last step {last_step}", "last_step": last_step, "model": model}
    return summary_row(**known | changes)


def chain_rows(model="dae"):
    return [
        parzen(
            model, last_step, kind="dae", n_levels=None, chain_start=start, n_chain_steps=n, mean_nats=float(n),
            variant=f"{'mean-only' if last_step == 'mean' else 'sampling'} from {start}, {n} steps",
        )
        for last_step in ("mean", "sample")
        for start in ("data", "noise")
        for n in (1, 10)
    ]  # fmt: skip


def control(**changes):
    return parzen("training-samples", "sample", kind="control", n_levels=None, variant="training examples") | changes


def test_parzen_has_a_row_per_model_controls_above_and_the_highest_first_in_each_group():
    rows = [parzen(n_levels=2, last_step="mean", mean_nats=90.0), parzen(n_levels=2, mean_nats=80.0)]
    rows += [parzen(last_step="mean", mean_nats=95.0), parzen(mean_nats=70.0), *chain_rows(), control(mean_nats=1.0)]
    rows += [failed_summary_row(model="broken", estimator="parzen"), summary_row()]
    figure = draw("parzen", summary=summary_table(*rows))
    (axes,) = figure.axes
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names == ["training-samples", "cdae, k = 4", "cdae, k = 2", "dae, 10 steps"]
    means, draws, controls = (container[0] for container in axes.containers)
    assert dict(zip(means.get_ydata(), means.get_xdata(), strict=True)) == {2: 90.0, 1: 95.0, 3: 10.0}
    assert dict(zip(draws.get_ydata(), draws.get_xdata(), strict=True)) == {2: 80.0, 1: 70.0, 3: 10.0}
    assert controls.get_ydata().tolist() == [0] and controls.get_xdata().tolist() == [1.0]
    low, high = axes.containers[0][2][0].get_segments()[0][:, 0]
    assert (high - low) / 2.0 == pytest.approx(2.0 * 1.5)
    between = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 0.6]
    assert between == [0.5, 2.5] and axes.get_ylim() == (3.5, -0.5)
    assert axes.get_xlabel() == "Parzen (nats per example)"
    assert means.get_markerfacecolor() == COLORS[0] and draws.get_markerfacecolor() == "white"


def test_parzen_by_chain_steps_has_a_column_per_chain_and_the_controls_as_lines():
    rows = chain_rows() + chain_rows("dae-walkback") + [control(), failed_summary_row(estimator="parzen")]
    distances = [
        CELL | {k: row[k] for k in ("model", "variant")} | {"estimator": "parzen", "value": 2.5,
                "diagnostic": "rms_distance_to_start"}
        for row in rows
    ]  # fmt: skip
    known = table(distances, diagnostics.COLUMNS)
    figure = draw("parzen_by_chain_steps", summary=summary_table(*rows), diagnostics=known)
    assert [axes.get_title() for axes in figure.axes] == ["mnist: dae", "mnist: dae-walkback", "", ""]
    top, bottom = figure.axes[0], figure.axes[2]
    names = {"mean-only, from data", "mean-only, from noise", "sampling, from data", "sampling, from noise"}
    assert set(lines(top)) == names | {"training-samples"} and set(lines(bottom)) == names
    assert top.lines[0].get_ydata().tolist() == [1.0, 10.0] and bottom.lines[0].get_ydata().tolist() == [2.5, 2.5]
    assert bottom.get_xscale() == "log" and [t.get_text() for t in bottom.get_xticklabels()] == ["1", "10"]
    assert top.get_ylabel() == "Parzen\n(nats per example)"


# snapshots


def level_rows(k, n_updates):
    known = {"n_levels": k, "n_updates": n_updates, "reconstruction_std": 0.5, "mse_train": 0.1, "mse_test": 0.2}
    return [CELL | known | {"level": i, "corruption_std": 0.5 * i} for i in range(1, k + 1)]


def snapshot_rows():
    return [
        snapshot(n_levels=k, n_updates=n, estimator=estimator, n_importance_samples=m, mean_nats=float(k + n))
        for k in (1, 3)
        for n in (50, 1000)
        for estimator, m in (("lower_bound", None), ("importance_weighted", 50))
    ]


def test_snapshots_has_a_line_per_number_of_updates_and_bound_and_the_errors_of_the_deepest():
    known = {
        "snapshots": snapshot_table(*snapshot_rows(), snapshot(n_updates=None, status="failed", mean_nats=None)),
        "levels": table([row for k in (1, 3) for n in (50, 1000) for row in level_rows(k, n)], levels.COLUMNS),
    }
    left, right = draw("snapshots", **known).axes
    assert lines(left) == [
        "50 updates, lower bound", "50 updates, IW-50", "1,000 updates, lower bound", "1,000 updates, IW-50"
    ]  # fmt: skip
    assert left.lines[0].get_ydata().tolist() == [51.0, 53.0]
    assert lines(right) == [f"{n} updates, {split}" for n in ("50", "1,000") for split in ("train", "test")]
    assert right.lines[0].get_xdata().tolist() == [0.5, 1.0, 1.5] and right.get_title() == "mnist: denoiser of k = 3"
    assert [t.get_text() for t in left.get_xticklabels()] == ["1", "3"] and right.get_yscale() == "log"


def test_snapshots_leaves_out_a_bound_that_is_missing():
    rows = [row for row in snapshot_rows() if (row["estimator"], row["n_updates"]) != ("importance_weighted", 50)]
    known = {"snapshots": snapshot_table(*rows), "levels": table(level_rows(3, 50), levels.COLUMNS)}
    left, _ = draw("snapshots", **known).axes
    assert lines(left) == ["50 updates, lower bound", "1,000 updates, lower bound", "1,000 updates, IW-50"]


# likelihoods


def test_likelihoods_has_a_row_per_model_with_all_that_is_known_of_it():
    """A seed that is not the first, a failed row and a Parzen estimate have no dot."""
    rows = [
        summary_row(n_levels=2, mean_nats=50.0),
        summary_row(n_levels=4, mean_nats=150.0),
        summary_row(model="gaussian", kind="control", n_levels=None, estimator="exact", mean_nats=120.0),
        summary_row(model="dae", n_levels=None, estimator="parzen", last_step="mean", mean_nats=900.0),
        failed_summary_row(model="broken", n_levels=None),
    ]
    certificates = [
        certificate(n_levels=2, test_nats=130.0, gap_nats=4.5),
        certificate(n_levels=2, test_nats=999.0, seed=1),
        certificate(model="decoder", kind="own", n_levels=None, test_nats=140.0, gap_nats=-1.0),
    ]
    figure = draw("likelihoods", summary=summary_table(*rows), certificates=certificate_table(*certificates))
    (axes,) = figure.axes
    names = ["cdae, k = 4", "decoder", "cdae, k = 2", "gaussian"]
    assert [t.get_text() for t in axes.get_yticklabels()] == names
    own, tight, exact = (c[0].get_xydata().tolist() for c in axes.containers)
    assert own == [[50.0, 2.0], [150.0, 0.0]] and exact == [[120.0, 3.0]] and tight == [[130.0, 2.0], [140.0, 1.0]]
    bars = [segment.tolist() for segment in axes.collections[0].get_segments()]
    assert bars == [[[130.0, 2.0], [134.5, 2.0]], [[140.0, 1.0], [140.0, 1.0]]]
    (_, error, _) = (c[2][0].get_segments()[0][:, 0].tolist() for c in axes.containers)
    assert error == [126.0, 134.0]
    words = {t.get_text() for t in figure.legends[0].get_texts()}
    assert words == {"own bound", "tightest bound", "its gap on simulated data", "exact"}


def test_likelihoods_has_a_line_at_the_exact_value_of_the_data_where_it_is_known():
    rows = [summary_row(n_levels=2, exact_nats=None), summary_row(n_levels=4, exact_nats=160.0)]
    figure = draw("likelihoods", summary=summary_table(*rows))
    assert [line.get_xdata() for line in figure.axes[0].lines if line.get_linestyle() == "--"] == [[160.0, 160.0]]
    assert "exact (the data's own)" in {t.get_text() for t in figure.legends[0].get_texts()}


def test_without_a_bound_there_are_no_likelihoods():
    figure = draw("likelihoods", summary=summary_table(summary_row(estimator="parzen", last_step="mean")))
    assert figure.texts[-1].get_text() == "no values" and not figure.axes


# certified_by_levels


def certificate_rows():
    kinds = [("importance_weighted", "paper"), ("importance_weighted", "widened"), ("annealed", "fitted")]
    rows = [
        certificate(n_levels=k, estimator=estimator, variant=variant, gap_nats=1.0 / k)
        | {"n_distributions": 1600 * k if estimator == "annealed" else None}
        for estimator, variant in kinds
        for k in (2, 4)
    ]
    exact = certificate(n_levels=2, estimator="exact", variant="quadrature", n_distributions=None, gap_nats=0.0)
    return [*rows, exact, failed_certificate(estimator="all_pairs", variant="paper", n_levels=2)]


def test_certified_by_levels_has_a_line_per_marked_estimator_and_names_other_sizes():
    rows = [summary_row(n_levels=k, exact_nats=140.0) for k in (2, 4)]
    known = {"summary": summary_table(*rows), "certificates": certificate_table(*certificate_rows())}
    figure = draw("certified_by_levels", **known)
    left, right = figure.axes
    names = {
        "own bound (Eq. 4)", "IW-2, paper", "annealed over 3,200", "exact (this model's)",
        "exact (the data's own)",
    }  # fmt: skip
    assert set(lines(left)) == names and {t.get_text() for t in figure.legends[0].get_texts()} == names
    assert len(left.containers) == 4 and len(right.containers) == 2
    assert [text.get_text() for text in right.texts] == ["over 6,400"]
    assert right.get_yscale() == "log" and right.containers[0][0].get_ydata().tolist() == [0.5, 0.25]
    assert [t.get_text() for t in left.get_xticklabels()] == ["2", "4"]


def test_cascades_of_black_and_white_images_are_drawn_and_their_auto_encoders_are_not_taken_for_cascades():
    rows = [row | {"kind": "bernoulli", "model": "flips"} for row in cascade_rows()]
    rows += [vae_row(estimator="importance_weighted", n_importance_samples=50) | {"kind": "bernoulli"}]
    certificates = certificate_table(*[row | {"kind": "bernoulli", "model": "flips"} for row in certificate_rows()])
    left, right = draw("certified_by_levels", summary=summary_table(*rows), certificates=certificates).axes
    assert left.get_title() == "mnist: flips, test split" and len(right.containers) == 2
    (axes,) = draw("likelihood_by_levels", summary=summary_table(*rows)).axes
    assert len(axes.containers) == 2 and "vae, IW-50" in lines(axes)


def test_levels_without_certificates_have_their_own_bound_and_their_tick():
    rows = [summary_row(n_levels=k) for k in (2, 4, 16)]
    known = {"summary": summary_table(*rows), "certificates": certificate_table(*certificate_rows())}
    left, right = draw("certified_by_levels", **known).axes
    for axes in (left, right):
        assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "4", "16"]
    assert left.get_title() == "mnist: cdae, test split"


def test_a_gap_below_the_smallest_is_drawn_there():
    rows = [certificate(gap_nats=-0.5), certificate(n_levels=8, gap_nats=2.0)]
    known = {"summary": summary_table(summary_row()), "certificates": certificate_table(*rows)}
    _, right = draw("certified_by_levels", **known).axes
    assert right.containers[0][0].get_ydata().tolist() == [1e-3, 2.0]


# schedules


def promised(**changes):
    return CELL | {"model": "chosen", "n_levels": 2, "predicted_validation_nats": 70.0} | changes


def test_schedules_has_bound_and_tightest_bound_of_both_sorts_of_levels():
    rows = [summary_row(model=name, n_levels=k, mean_nats=10.0 * k) for name in ("cdae", "other", "chosen")
            for k in (2, 4)]  # fmt: skip
    tight = [certificate(model=name, n_levels=2, gap_nats=1.0) for name in ("cdae", "chosen")]
    known = {"summary": summary_table(*rows), "certificates": certificate_table(*tight)}
    pilot = table([promised(), promised(seed=1, predicted_validation_nats=80.0), promised(n_levels=4)],
                  predicted_bounds.COLUMNS)  # fmt: skip
    (axes,) = draw("schedules", predicted_bounds=pilot, **known).axes
    assert set(lines(axes)) == {
        "cdae: bound (Eq. 4)", "cdae: tightest bound", "chosen: bound (Eq. 4)", "chosen: tightest bound",
        "chosen: promised by the pilot",
    }  # fmt: skip
    by_label = {container.get_label(): container for container in axes.containers}
    assert by_label["chosen: bound (Eq. 4)"][0].get_ydata().tolist() == [20.0, 40.0]
    (dotted,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert dotted.get_ydata().tolist() == [75.0, 70.0]
    assert axes.get_xlabel() == "number of levels k" and axes.get_title() == "mnist"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "4"]


def test_schedules_says_so_where_no_pilot_chose_any():
    figure = draw("schedules", summary=summary_table(summary_row()))
    assert not figure.axes and "no values" in [t.get_text() for t in figure.texts]


# Pictures


def cascade_pictures(k, dim=4, n=8):
    state = np.linspace(0.0, 1.0, n * dim).reshape(n, dim)
    return {
        "samples/last step mean": state, "samples/last step sample": state, "path": np.stack([state] * (k + 1)),
        "noisy": np.stack([state] * k), "reconstructed": np.stack([state] * k), "clean": state,
    }  # fmt: skip


PICTURES = {"cdae-k1": cascade_pictures(1), "cdae-k3": cascade_pictures(3), "gaussian": {"samples/x": np.ones((8, 4))}}
POINTS = {"image_shape": (), "pictures": {name: cascade_pictures(k, dim=2) for name, k in (("a", 1), ("b", 2))}}


def shown(figure):
    """Panels with an image, or with points."""
    return [axes for axes in figure.axes if axes.images or axes.collections or axes.patches]


def test_samples_has_both_last_steps_of_a_model_side_by_side_and_single_panels_last():
    single = {"gaussian": {"samples/x": np.ones((8, 4))}}
    figure = draw("samples", pictures=single | PICTURES)
    assert [axes.get_title() for axes in shown(figure)] == [
        "test data", "cdae-k1\nmean", "cdae-k1\nsample", "cdae-k3\nmean", "cdae-k3\nsample", "gaussian\nx",
    ]  # fmt: skip


def test_samples_shows_of_a_chain_its_longest_run_from_noise_and_its_mean_first():
    rows = chain_rows()
    pictures = {"dae": {f"samples/{row['variant']}": np.ones((8, 4)) for row in reversed(rows)}}
    figure = draw("samples", pictures=pictures, summary=summary_table(*rows))
    assert [axes.get_title() for axes in shown(figure)] == ["test data", "dae\nmean, 10 steps", "dae\nsample, 10 steps"]


def test_samples_leaves_out_a_control_whose_samples_are_data():
    pictures = PICTURES | {"training-samples": {"samples/training examples": np.ones((8, 4))}}
    assert len(shown(draw("samples", pictures=pictures))) == 6


@pytest.mark.parametrize(("n_models", "n_columns"), [(3, 6), (15, 6), (20, 8), (60, 12)])
def test_samples_of_many_models_fit_a_page_and_no_model_is_broken_over_two_rows(n_models, n_columns):
    panels = [("a", np.ones(1)), ("b", np.ones(1))]
    rows = _fitting([[("test data", np.ones(1))], *[panels] * n_models])
    assert sum(map(len, rows)) == 1 + 2 * n_models and max(map(len, rows)) <= n_columns
    assert [len(row) % 2 for row in rows] == [1, *[0] * (len(rows) - 1)]
    assert n_models == 60 or len(rows) * _row_height(n_columns) <= PAGE_HEIGHT
    assert n_models < 20 or len(_filled([[panels[0]], *[panels] * n_models], 6)) * _row_height(6) > PAGE_HEIGHT


def test_chain_from_prior_begins_and_ends_in_the_same_columns_for_every_cascade():
    figure = draw("chain_from_prior", pictures=PICTURES)
    assert len(shown(figure)) == 2 + 4
    assert [axes.get_title() for axes in shown(figure)] == [
        "$x_{1}$", "$r(x_1)$", "$x_{3}$", "$x_{2}$", "$x_{1}$", "$r(x_1)$"
    ]  # fmt: skip
    assert {text.get_text() for axes in figure.axes for text in axes.texts} == {"cdae-k1", "cdae-k3"}
    columns = [axes.get_subplotspec().colspan.start for axes in shown(figure)]
    assert columns == [0, 3, 0, 1, 2, 3]


def test_states_of_chains_are_aligned_at_even_distances_and_of_long_ones_some_are_left_out():
    assert aligned(2, 7) == ([0, 6], [0, 1])
    assert aligned(7, 7) == ([*range(7)], [*range(7)])
    columns, states = aligned(17, 7)
    assert columns == [*range(7)] and states == [0, 3, 5, 8, 11, 13, 16]
    assert max(draw("chain_from_prior", pictures={"a": cascade_pictures(16)}).get_size_inches()) == PAGE_WIDTH


def test_pictures_are_no_taller_than_a_page_and_as_wide_as_a_column_or_a_page():
    many = {f"cdae-k{k}-{i}": cascade_pictures(k) for k in (1, 2, 4, 8) for i in range(4)}
    for name in ("chain_from_prior", "reconstructions", "samples"):
        width, height = DRAWERS[name](material(pictures=many)).get_size_inches()
        assert width in (COLUMN_WIDTH, PAGE_WIDTH) and height <= PAGE_HEIGHT, name


def test_reconstructions_are_of_the_deepest_cascade():
    figure = draw("reconstructions", pictures=PICTURES)
    assert "cdae-k3" in figure.get_suptitle() and len(shown(figure)) == 3 * (1 + 3 + 3)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["$x_0$", "$i$ = 1", "$i$ = 2", "$i$ = 3"]


def test_of_many_levels_some_are_shown_with_the_first_and_the_last():
    figure = draw("reconstructions", pictures={"cdae-k40": cascade_pictures(40)})
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[1] == "$i$ = 1" and titles[-1] == "$i$ = 40" and len(titles) == 1 + 16
    assert "16 of 40 levels" in figure.get_suptitle()


@pytest.mark.parametrize(("name", "n_panels"), [("samples", 5), ("chain_from_prior", 2 + 3), ("reconstructions", 5)])
def test_data_that_are_no_images_are_points_within_the_limits_of_the_data(name, n_panels):
    test = np.array([[0.0, -1.0], [2.0, 1.0]])
    figure = draw(name, test=test, **POINTS)
    assert len(shown(figure)) == n_panels
    for axes in shown(figure):
        assert axes.get_xlim() == (-0.5, 2.5) and axes.get_ylim() == (-1.5, 1.5)


def test_one_dimension_is_a_histogram():
    pictures = {"a": {"samples/x": np.linspace(0.0, 1.0, 8)[:, None]}}
    figure = draw("samples", pictures=pictures, test=np.array([[0.0], [4.0]]), image_shape=())
    assert all(axes.get_xlim() == (-1.0, 5.0) and axes.patches for axes in shown(figure))


# What figures share


def test_limits_have_a_margin_of_a_quarter_on_either_side():
    assert point_limits(np.array([[0.0, 0.0, 9.0], [4.0, 8.0, 9.0]])).tolist() == [[-1.0, 5.0], [-2.0, 10.0]]


def test_tiles_stand_row_by_row_with_a_line_between_them():
    images = np.stack([np.full(4, value) for value in (0.1, 0.2, 2.0)])
    canvas = tile(images, (2, 2), 2)
    assert canvas.shape == (5, 5)
    assert canvas[0, 0] == 0.1 and canvas[0, 3] == 0.2 and canvas[3, 0] == 1.0 and canvas[3, 3] == canvas[2, 2] == 0.5
    assert tile(np.ones((1, 12)), (2, 2, 3), 1).shape == (2, 2, 3)


@pytest.mark.parametrize("name", ["samples", "chain_from_prior", "reconstructions"])
def test_colour_images_are_shown_in_their_colours(name):
    """Images of 1 x 2 pixels, one red and one blue, in every panel."""
    image = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    one = cascade_pictures(2, dim=6)
    pictures = {"a": {key: np.broadcast_to(image, array.shape) for key, array in one.items()}}
    figure = draw(name, pictures=pictures, test=np.stack([image] * 4), image_shape=(1, 2, 3))
    panels = shown(figure)
    assert panels
    for axes in panels:
        assert np.asarray(axes.images[0].get_array())[:1, :2].tolist() == [[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]


@pytest.mark.parametrize(("level", "color_map"), [(0.2, "gray_r"), (0.7, "gray")])
def test_strokes_on_a_dark_ground_are_ink_and_bright_images_are_as_they_are(level, color_map):
    figure = draw("samples", pictures=PICTURES, test=np.full((4, 4), level))
    assert {axes.images[0].get_cmap().name for axes in shown(figure)} == {color_map}


def test_a_mark_without_a_colour_is_grey():
    assert color(None) == GREY and color(2) == COLORS[2]


def test_a_figure_is_written_twice_with_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        save(draw("likelihood_by_levels", summary=summary_table(*cascade_rows())), tmp_path / name)
    for suffix in ("svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert not plt.get_fignums()


def test_material_is_the_data_sets_own_share(tmp_path):
    mine, other = summary_row(), summary_row(dataset="digits")
    empty = material()
    for name in [name for name in TABLES if name != "summary"]:
        write_csv(tmp_path / f"{name}.csv", getattr(empty, name))
    write_csv(tmp_path / "summary.csv", summary_table(mine, other, mine))
    write_npz(tmp_path / "data.npz", {"test_continuous": np.zeros((3, 4)), "image_shape": np.array([2, 2])})
    (tmp_path / "cdae-k4").mkdir()
    write_npz(tmp_path / "cdae-k4" / "0.npz", {"path": np.ones(2)})
    loaded = load("mnist", tmp_path, tmp_path / "data.npz", [tmp_path / "cdae-k4" / "0.npz"])
    assert len(loaded.summary) == 2 and loaded.is_images and loaded.test.shape == (3, 4)
    assert loaded.pictures["cdae-k4"]["path"].tolist() == [1.0, 1.0]
    assert not material(image_shape=()).is_images


def test_titles_of_samples_are_smaller_where_names_are_long_and_panels_many():
    assert _title_size(["vae\nmean"], 10) == 6.0
    assert 4.0 < _title_size(["vae\nmean", "cdae-geometric-k16\nsample"], 10) < 5.0


def test_a_narrow_logarithmic_axis_has_few_ticks():
    _, axes = plt.subplots()
    for values, expected in {
        (20.0, 1200.0): ["20", "100", "500"],
        (3.0, 4.0): ["3.5"],
        (4.0, 12.0): ["5", "10"],
    }.items():
        _log_axis(axes, pd.Series(values))
        assert [t.get_text() for t in axes.get_xticklabels()] == expected
