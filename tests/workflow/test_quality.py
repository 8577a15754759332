"""The quality stage: what is judged, the check of its section, its jobs, its table and its figure."""

import copy
import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from baselines.dae import DAE
from cdae import checkpoint
from cdae.computing.files import read_record, write_record
from cdae.datasets.registry import loader
from cdae.model import CDAE
from cdae.quality import mixing
from tests.helpers import seeded
from tests.workflow.records import CELL, material, mixing_row, mixing_table_of, quality_row, quality_table
from tests.workflow.test_figures import lines
from tests.workflow.test_provenance import finished, names_of
from workflow.figures.drawers import DRAWERS
from workflow.figures.style import use_style
from workflow.grid import cells as grid
from workflow.grid import code_hash
from workflow.grid import quality as quality_grid
from workflow.grid.check import checked
from workflow.grid.methods import kind_offers
from workflow.grid.provenance import Provenance, stale
from workflow.grid.quality_record import DENOISING, MIXING, REPRESENTATION, SAMPLES, QualityRecord, QualityRow
from workflow.grid.record import FAILED, NOT_RUN, OK, Identity
from workflow.jobs import classification, denoisers, quality, training
from workflow.jobs.chains import Chains
from workflow.jobs.labelled_examples import LabelledExamples
from workflow.tables import denoising as denoising_table
from workflow.tables import log_likelihood
from workflow.tables import mixing as mixing_table
from workflow.tables import representation as representation_table
from workflow.tables.identity import columns, table
from workflow.tables.sample_quality import sample_quality

# What is judged


def judged(config, **changes):
    config = {**config, "quality": {**config["quality"], **changes}}
    config["quality"] = {key: value for key, value in config["quality"].items() if value is not None}
    return [(cell.dataset, cell.model) for cell in grid.cells(config) if quality_grid.judged(config, cell)]


def test_all_models_that_can_be_sampled_take_part_on_data_with_labels(config):
    able = [c.model for c in grid.cells(config) if c.dataset == "digits" and kind_offers(c.kind, "Samples")]
    assert judged(config, models=None) == judged(config, models=None, datasets=None) == [("digits", m) for m in able]
    assert len(able) > 4 and judged(config) == [("digits", "dae-walkback")]
    assert judged(config, seeds=[1]) == [] and judged({**config, "models": {}}) == []
    without = {key: value for key, value in config.items() if key != "quality"}
    assert not any(quality_grid.judged(without, cell) for cell in grid.cells(without))
    assert quality_grid.classified(config) == ["digits"] and quality_grid.classified(without) == []


def test_labels_are_known_before_anything_runs(tmp_path):
    np.savez(tmp_path / "with.npz", images=np.ones((2, 2)), labels=np.ones(2))
    np.savez(tmp_path / "without.npz", images=np.ones((2, 2)))
    found = {
        name: quality_grid.may_have_labels({"loader": "npz", "path": str(tmp_path / name)})
        for name in ("with.npz", "without.npz", "missing.npz")
    }
    assert found == {"with.npz": True, "without.npz": False, "missing.npz": False}
    assert quality_grid.may_have_labels({"loader": "digits"}) and quality_grid.may_have_labels({"loader": "a:b"})
    assert not quality_grid.may_have_labels({"loader": "mixture_2d"})


@pytest.mark.parametrize("name", ["digits", "gaussian_8d", "mixture_1d", "mixture_2d"])
def test_loaders_have_the_labels_that_the_grid_says(name):
    assert (loader(name)().labels is not None) == quality_grid.may_have_labels({"loader": name})


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("datasets", ["mixture_2d"], "quality.datasets: got 'mixture_2d', which has no labels, expected a data set"),
        ("datasets", ["digit"], "quality.datasets: got 'digit', expected one of digits, mixture_2d; did you mean"),
        ("models", ["cdae"], "quality.models: got 'cdae', expected one of cdae-k1"),
        ("seeds", [1], "quality.seeds: got 1, expected replicates of a model that is judged: 0"),
        ("n_neighbours", 0, "quality.n_neighbours: got 0, expected at least 1"),
        ("n_sample", 3, "quality: unknown key 'n_sample'; did you mean 'n_samples'"),
    ],
)
def test_a_section_that_means_nothing_is_refused(config, key, value, expected):
    checked(copy.deepcopy(config))
    config["quality"][key] = value
    with pytest.raises(ValueError) as error:
        checked(config)
    assert str(error.value).startswith(expected)


def test_a_grid_without_labels_has_no_quality(config):
    del config["quality"]["datasets"], config["datasets"]["digits"]
    with pytest.raises(ValueError, match="quality: none of the data sets has labels, which a classifier is trained on"):
        checked(config)


def test_snapshots_of_a_classifier_are_refused(config):
    settings = config["quality"]["classifier"]["training"]
    config["quality"]["classifier"]["training"] = {**settings, "snapshots": [5]}
    with pytest.raises(ValueError, match=r"quality\.classifier\.training\.snapshots: got it, expected none"):
        checked(config)


# What makes it stale


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (lambda config: config["quality"].update(n_samples=60), {"classifiers", "quality"}),
        (lambda config: config["models"]["vae"].update(latent_dim=3), {"models", "estimates", "certificates"}),
        (lambda config: config["quality"].update(models=["cdae-k1", "cdae-k3", "dae-walkback"]), set()),
    ],
)
def test_a_setting_judges_again_and_trains_nothing_again(config, change, stages):
    finished(config)
    change(config)
    found = names_of(stale(Provenance(config).of_everything()), config)
    assert {name.split("/")[0] for name in found if "provenance" not in name} == stages


def test_its_code_counts_in_its_own_records_alone(config, monkeypatch):
    finished(config)
    real = code_hash._source
    monkeypatch.setattr(code_hash, "_source", lambda m: real(m) + (b"#" if m == "cdae.quality.frechet" else b""))
    code_hash.code_sha256.cache_clear()
    try:
        found = names_of(stale(Provenance(config).of_everything()), config)
    finally:
        code_hash.code_sha256.cache_clear()
    assert [name for name in found if "provenance" not in name] == [
        "classifiers/digits.json",
        "quality/digits/dae-walkback/0.json",
    ]


# The jobs


@pytest.fixture
def classified(config, digits, tmp_path):
    """The classifier of the smoke grid: its weights and its record."""
    paths = tmp_path / "classifier.safetensors", tmp_path / "classifier.json"
    classification.run(quality_grid.classifier_config(config, "digits"), {"code_sha256": "c"}, digits, *paths)
    return paths


def of(estimator, record):
    return [row for row in record.rows if row.estimator == estimator]


def judge(config, digits, classified, tmp_path, model="cdae-k3", trained=None):
    """The record of one cell after its training, or after a training with this record."""
    (cell,) = [c for c in grid.cells(config) if (c.dataset, c.model) == ("digits", model)]
    files = [tmp_path / name for name in ("weights", "snapshots", "training.json")]
    training.run(grid.training_config(config, cell), {}, digits, *files)
    if trained:
        write_record(files[-1], trained)
    record = tmp_path / "quality.json"
    settings = quality_grid.quality_config(config, cell)
    quality.run(settings, {"code_sha256": "q"}, digits, files[0], files[-1], *classified, record)
    return QualityRecord.from_json(read_record(record))


def estimates(record, *rows):
    """A table of estimates of the record's cell."""
    known = columns(record.identity) | {"status": OK}
    return table([known | row for row in rows], log_likelihood.COLUMNS)


def test_every_variant_of_the_samples_has_a_row_and_controls_theirs(config, digits, classified, tmp_path):
    controls = QualityRecord.from_json(read_record(classified[1]))
    assert [row.variant for row in of(SAMPLES, controls)] == ["real examples", "blurred training examples"]
    assert controls.facts["n_test"] == 400 and 0.0 < controls.facts["test_error"] < 0.9
    found = judge(config, digits, classified, tmp_path)
    judged = of(SAMPLES, found)
    assert [row.variant for row in judged] == ["last step mean", "last step sample"]
    for row in [*of(SAMPLES, controls), *judged]:
        assert row.status == OK and row.counts == {"n_samples": 50, "n_real": 50}
        assert 0.0 <= row.measures["precision"] <= 1.0 and row.measures["frechet_distance"] > 0.0
    of_means = {"estimator": "parzen", "variant": "last step mean", "mean_nats": 7.0, "standard_error_nats": 0.5}
    others = {"estimator": "lower_bound", "variant": "last step sample"}, {"seed": 1}, {"status": "failed"}
    long = estimates(found, of_means, *({**of_means, "variant": "last step sample", **other} for other in others))
    table = sample_quality([controls, found], long)
    assert table["parzen_nats"].tolist()[2] == 7.0 and table["parzen_nats_standard_error"].tolist()[2] == 0.5
    assert table["parzen_nats"].isna().tolist() == [True, True, False, True]
    assert table["model"].tolist() == ["real examples", "blurred training examples", "cdae", "cdae"]
    assert table["seed"].isna().tolist() == [True, True, False, False] and set(table["status"]) == {OK}
    assert table["classifier_test_error"].nunique() == 1 and table["code_sha256"].tolist() == ["c", "c", "q", "q"]
    again = judge(config, digits, classified, tmp_path)
    assert again == found


def test_real_examples_and_models_are_judged_by_the_same_examples(config, digits, classified):
    """Also by the job of a cell, which makes the judge anew."""
    (cell,) = [c for c in grid.cells(config) if (c.dataset, c.model) == ("digits", "cdae-k3")]
    settings = quality_grid.classifier_config(config, "digits"), quality_grid.quality_config(config, cell)
    first, second = (LabelledExamples(one, digits) for one in settings)
    weights = first.untrained(), second.untrained()
    for a, b in zip(*(list(w.state_dict().values()) for w in weights), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(first.judge(weights[0]).real, second.judge(weights[1]).real)
    real, validation = first.judge(weights[0]).real, first.data.validation_pixels
    assert not (real[:, None] == validation).all(2).any(), "controls are other examples"


def test_a_chain_has_a_row_per_number_of_steps(config, digits, classified, tmp_path):
    found = judge(config, digits, classified, tmp_path, "dae-walkback")
    rows = of(SAMPLES, found)
    assert len(rows) == 8 and {row.n_chain_steps for row in rows} == {1, 3}
    assert {row.chain_start for row in rows} == {"data", "noise"}


def test_chains_and_independent_samples_have_a_row_of_how_they_mix(config, digits, classified, tmp_path):
    """Of samples of a mean and of a draw, or of chains from data and from noise; the table has their errors."""
    found = {model: judge(config, digits, classified, tmp_path, model) for model in ("cdae-k3", "dae-walkback")}
    table = mixing_table.mixing(list(found.values()))
    assert table["variant"].tolist() == [
        "independent, last step mean", "independent, last step sample", "from data", "from noise"
    ]  # fmt: skip
    assert table["chain_start"].tolist() == ["", "", "data", "noise"] and set(table["n_steps"]) == {8}
    assert set(table["n_chains"]) == {3} and table["transitions"].notna().all() and set(table["status"]) == {OK}
    assert table["autocorrelation_5"].notna().all() and table["autocorrelation_10"].isna().all()
    samples = sample_quality(list(found.values()), estimates(found["cdae-k3"]))
    assert len(samples) == 2 + 8 and not set(samples["variant"]) & set(table["variant"])
    again = judge(config, digits, classified, tmp_path, "dae-walkback")
    assert again == found["dae-walkback"]


def test_its_log_says_what_is_done_now_and_how_far_chains_are(config, digits, classified, tmp_path, capsys):
    judge(config, digits, classified, tmp_path, "dae-walkback")
    lines = capsys.readouterr().err.splitlines()
    for line in ("samples: draw 50", "samples: judge sampling from data, 3 steps", "mixing, from noise: step 8 of 8"):
        assert lines.count(line) == 1, line
    sections = [re.split("[:,]", line)[0] for line in lines]
    said = [name for name in dict.fromkeys(sections) if name in {"samples", *config["quality"]}]
    assert said == ["samples", "mixing", "representation", "denoising"]


def test_without_the_section_nothing_is_said_of_mixing(config, digits, classified, tmp_path):
    del config["quality"]["mixing"]
    assert of(MIXING, judge(config, digits, classified, tmp_path, "dae-walkback")) == []


def test_a_model_with_fewer_samples_than_states_has_no_row(config, digits, classified, tmp_path):
    """Real examples are drawn without repetition."""
    config["models"]["real"] = {"kind": "control-training-samples"}
    config["quality"]["mixing"] = {"n_chains": 3, "n_steps": 400}
    assert of(MIXING, judge(config, digits, classified, tmp_path, "real")) == []
    config["quality"]["mixing"]["n_steps"] = 300
    (row,) = of(MIXING, judge(config, digits, classified, tmp_path, "real"))
    assert row.variant == "independent, training examples"


def test_a_chain_that_leaves_the_numbers_fails_its_row_alone(config, digits, classified, tmp_path, monkeypatch):
    monkeypatch.setattr(DAE, "noise_starts", lambda self, n, *, generator: torch.full((n, 64), torch.nan))
    monkeypatch.setattr(DAE, "sample_sets", lambda self, n, *, generator: iter(()))
    found = of(MIXING, judge(config, digits, classified, tmp_path, "dae-walkback"))
    assert [(row.status, row.reason) for row in found] == [
        (OK, ""),
        (FAILED, "a state that is not finite after 1 steps"),
    ]


def test_chains_of_a_denoiser_that_forgets_its_input_are_independent(config, digits, monkeypatch):
    """A step to a random training example: what the job measures is 1 and 1,000 (1 - sum p^2)."""
    examples = LabelledExamples(quality_grid.classifier_config(config, "digits"), digits)
    classifier, _ = examples.train()
    pixels = examples.data.training.pixels()

    class Forgetful(torch.nn.Module):
        def step(self, x, *, generator):
            return pixels[torch.randint(len(pixels), (len(x),), generator=generator)]

        def noise_starts(self, n, *, generator):
            return torch.zeros(n, 64)

    settings = {"n_chains": 5, "n_steps": 400}
    generator = lambda purpose: seeded(len(purpose))  # noqa: E731
    rows = Chains(examples.judge(classifier), examples.data.training, settings, generator).rows(Forgetful())
    found = mixing.classes(classifier.probabilities(pixels).numpy()[None])[0]
    shares = np.bincount(found[found >= 0]) / (found >= 0).sum()
    for row in rows:
        expected = {"effective_share": 1.0, "spurious": (found < 0).mean(), "autocorrelation_1": 0.0}
        expected["transitions"] = 1_000.0 * (1.0 - np.square(shares).sum()) * (found >= 0).mean()
        for name, value in expected.items():
            assert abs(row.measures[name] - value) < 5.0 * row.measures[f"{name}_standard_error"] + 0.004, name


def test_every_representation_has_a_row_for_all_labels_and_for_few(config, digits, classified, tmp_path):
    controls = QualityRecord.from_json(read_record(classified[1]))
    found = [judge(config, digits, classified, tmp_path, model) for model in ("cdae-k3", "vae", "gaussian")]
    table = representation_table.representation([controls, *found])
    names = ["raw pixels", "principal components", "untrained network", "cdae", "cdae", "vae", "vae"]
    assert table["model"].tolist() == [name for name in names for _ in range(2)]
    assert table["variant"].tolist() == [""] * 6 + (["", ""] + ["before training"] * 2) * 2
    assert table["n_labels"].tolist() == [1_097, 20] * 7 and table["n_draws"].tolist() == [1, 2] * 7
    n_components = int(table["n_features"].iloc[2])
    assert table["n_features"].tolist() == [64] * 2 + [n_components] * 2 + [16] * 6 + [2] * 4 and 20 < n_components < 40
    assert table["probe_error"].iloc[6] != table["probe_error"].iloc[8]
    assert (table["probe_error_draw_std"].isna() == (table["n_draws"] == 1)).all()
    raw = table[table["model"] == "raw pixels"].set_index("n_labels")
    assert raw.loc[1_097, "probe_error"] < 0.12 and raw.loc[1_097, "neighbour_error"] < 0.05
    assert (raw.loc[20, ["probe_error", "neighbour_error"]] > raw.loc[1_097, ["probe_error", "neighbour_error"]]).all()
    error = raw.loc[1_097, "probe_error"]
    assert raw.loc[1_097, "probe_error_standard_error"] == pytest.approx((error * (1 - error) / 399) ** 0.5)


def test_more_labels_than_a_class_has_fail_their_row_alone(config, digits, classified, tmp_path):
    config["quality"]["representation"]["n_labels"] = [5_000, 20]
    found = of(REPRESENTATION, judge(config, digits, classified, tmp_path))
    assert [row.status for row in found] == [OK, FAILED, OK] * 2
    assert found[1].reason.startswith("n_labels: got 5000 for 10 classes, expected 10 to ")


def test_every_denoiser_has_a_row_per_level_beside_two_controls(config, digits, classified, tmp_path):
    controls = QualityRecord.from_json(read_record(classified[1]))
    found = [judge(config, digits, classified, tmp_path, model) for model in ("cdae-k3", "dae-walkback", "vae")]
    table = denoising_table.denoising([controls, *found])
    names = ["best linear", "best of the training set", "cdae", "dae-walkback"]
    assert table["model"].tolist() == [name for name in names for _ in range(3)]
    np.testing.assert_allclose(table["relative_std"], [0.1, 1.0, 10.0] * 4)
    assert (table["n_examples"] == 20).all() and (table["relative_mse_standard_error"] > 0.0).all()
    errors = {name: share.reset_index() for name, share in table.groupby("model")}
    best = errors["best of the training set"]["relative_mse_train"]
    for other in errors.values():
        margin = 3.0 * other["relative_mse_train_standard_error"]
        assert (best <= other["relative_mse_train"] + margin).all()
    linear = errors["best linear"]["relative_mse"]
    assert linear.is_monotonic_increasing and 0.3 < linear.iloc[-1] < 1.1


def test_errors_that_are_not_finite_fail_their_level_alone(config, digits, classified, tmp_path, monkeypatch):
    monkeypatch.setattr(denoisers, "denoiser_of", lambda _, levels: (levels, lambda x, c: x / (c < 0.2)))
    found = of(DENOISING, judge(config, digits, classified, tmp_path))
    assert [row.status for row in found] == [OK, FAILED, FAILED]
    assert [row.reason for row in found] == ["", *(f"errors at level {c} not finite" for c in ("1", "10"))]


def test_the_ends_of_the_levels_increase(config):
    config["quality"]["denoising"]["last_std"] = 0.05
    with pytest.raises(ValueError, match=r"^quality.denoising.last_std: got 0.05, expected more than first_std = 0.1"):
        checked(config)


def test_the_tables_lags_are_the_librarys():
    assert mixing_table.LAGS == mixing.LAGS


@pytest.mark.parametrize("status", [FAILED, NOT_RUN])
def test_what_failed_before_is_a_row_with_its_reason(config, digits, classified, tmp_path, status):
    trained = {"status": status, "reason": "training diverged", "notes": []}
    found = judge(config, digits, classified, tmp_path, trained=trained)
    assert [(row.status, row.reason) for row in found.rows] == [(status, "training diverged")]
    assert found.status == (NOT_RUN if status == NOT_RUN else OK)
    broken = replace(QualityRecord.from_json(read_record(classified[1])), status=status, reason="no labels")
    write_record(classified[1], broken.to_json())
    found = judge(config, digits, classified, tmp_path)
    assert [(row.status, row.reason) for row in found.rows] == [(status, "the classifier: no labels")]


def test_samples_that_are_not_finite_fail_their_row_alone(config, digits, classified, tmp_path, monkeypatch):
    real = CDAE.sample_sets

    def broken(self, n, *, generator):
        first, second = real(self, n, generator=generator)
        yield replace(first, values=torch.full_like(first.values, torch.nan))
        yield second

    monkeypatch.setattr(CDAE, "sample_sets", broken)
    found = judge(config, digits, classified, tmp_path)
    assert [row.status for row in found.rows] == [FAILED, OK] * 2 + [OK] * 7
    assert [row.reason for row in found.rows[:4:2]] == ["50 of 50 samples not finite", "24 of 24 samples not finite"]
    assert sample_quality([found], estimates(found))["precision"].isna().tolist() == [True, False]


@pytest.mark.parametrize(("error", "statuses"), [(RuntimeError("odd"), [OK, OK, FAILED]), (MemoryError(), [NOT_RUN])])
def test_what_was_judged_before_a_failure_stands(config, digits, classified, tmp_path, monkeypatch, error, statuses):
    def rows(self, model):
        raise error

    monkeypatch.setattr(Chains, "rows", rows)
    found = judge(config, digits, classified, tmp_path)
    assert [row.status for row in found.rows] == statuses and found.rows[-1].reason


def test_data_without_labels_are_recorded_as_the_classifiers_failure(config, mixture_2d, tmp_path):
    paths = tmp_path / "c.safetensors", tmp_path / "c.json"
    settings = {**quality_grid.classifier_config(config, "digits"), "dataset": "mixture_2d"}
    classification.run(settings, {}, mixture_2d, *paths)
    found = QualityRecord.from_json(read_record(paths[1]))
    assert found.status == FAILED and "has no labels, expected a class for every example" in found.reason
    assert [row.status for row in found.rows] == [FAILED]
    checkpoint.load(torch.nn.Module(), paths[0])


def test_records_come_back_as_they_were():
    row = QualityRow(estimator=SAMPLES, variant="x", counts={"n_samples": 3}, measures={"recall": 0.5})
    record = QualityRecord(identity=Identity(**CELL), rows=[row], facts={"test_error": 0.1}, reason="r")
    assert QualityRecord.from_json(record.to_json()) == record


# The figure


def test_sample_quality_has_a_row_per_set_with_controls_first_and_then_by_coverage():
    rows = [
        quality_row(model="real examples", seed=None, variant="", n_levels=None, coverage=0.9),
        quality_row(coverage=0.5),
        quality_row(coverage=0.99, seed=1),
        quality_row(coverage=0.6, variant="last step mean"),
        quality_row(
            model="dae", n_levels=None, coverage=0.7, chain_start="noise", n_chain_steps=9, variant="c, 9 steps"
        ),
        quality_row(model="dae", n_levels=None, coverage=0.8, chain_start="noise", n_chain_steps=1),
        quality_row(model="dae", n_levels=None, coverage=0.8, chain_start="data", n_chain_steps=9),
        quality_row(model="broken", status="failed"),
    ]
    with plt.rc_context():
        use_style()
        figure = DRAWERS["sample_quality"](material(sample_quality=quality_table(*rows)))
        figure.draw_without_rendering()
    first, second, third, _, last = figure.axes
    assert lines(last) == ["Parzen"] and last.get_xlabel() == "nats"
    names = [text.get_text() for text in first.get_yticklabels()]
    assert names == ["real examples", "dae, c, 9 steps", "cdae, k = 4, mean", "cdae, k = 4, sample"]
    assert lines(first) == ["precision", "recall"] and lines(second) == ["density", "coverage"]
    assert second.containers[1][0].get_xdata().tolist() == [0.9, 0.7, 0.6, 0.5]
    assert third.get_xscale() == "log" and [t.get_text() for t in third.get_xticklabels()] == ["5"]
    assert figure.get_suptitle() == "mnist: 300 samples beside 300 test examples"


def test_mixing_has_a_line_and_a_dot_per_chain_and_means_are_left_out():
    rows = [
        mixing_row(variant="independent, last step mean", last_step="mean"),
        mixing_row(variant="independent, last step sample"),
        *(mixing_row(model="dae", n_levels=None, variant=f"from {s}", chain_start=s) for s in ("data", "noise")),
        mixing_row(model="dae", n_levels=None, variant="from data", chain_start="data", seed=1),
        mixing_row(model="broken", status="failed"),
    ]
    with plt.rc_context():
        use_style()
        figure = DRAWERS["mixing"](material(mixing=mixing_table_of(*rows)))
        figure.draw_without_rendering()
    left, first, *others = figure.axes
    names = ["cdae, k = 4, independent", "dae, from data", "dae, from noise"]
    assert lines(left) == names and [text.get_text() for text in first.get_yticklabels()] == names
    assert left.containers[0][0].get_xdata().tolist() == [1, 2, 5] and left.get_xscale() == first.get_xscale() == "log"
    assert [axes.get_xlabel() for axes in (first, *others)] == ["effective share", "transitions\nper 1,000", "spurious"]
    assert left.containers[1][0].get_color() == left.containers[2][0].get_color() != left.containers[0][0].get_color()
    assert figure.get_suptitle() == "mnist: 10 chains of 500 steps"


def test_denoising_has_a_line_per_denoiser_of_its_first_seed_and_controls_without_marks():
    def row(model, c, error, **changes):
        measures = {f"{name}{end}": value for name in denoising_table.MEASURES
                    for end, value in (("", error), ("_standard_error", 0.01))}  # fmt: skip
        return CELL | {"model": model, "relative_std": c, "status": "ok"} | measures | changes

    rows = [row("best linear", c, 0.1 * c, seed=None, n_levels=None) for c in (1.0, 2.0)]
    rows += [row("cdae", c, 0.2 * c, seed=seed) for seed in (0, 1) for c in (1.0, 2.0)]
    rows += [row("broken", 1.0, None, status="failed")]
    with plt.rc_context():
        use_style()
        figure = DRAWERS["denoising"](material(denoising=table(rows, denoising_table.COLUMNS)))
        figure.draw_without_rendering()
    assert [axes.get_title() for axes in figure.axes] == ["test examples", "training examples"]
    control, model = figure.axes[0].lines[0], figure.axes[0].containers[0]
    assert control.get_label() == "best linear" and control.get_ydata().tolist() == [0.1, 0.2]
    assert model.get_label() == "cdae, k = 4" and model[0].get_ydata().tolist() == [0.2, 0.4]
    assert len(figure.axes[0].containers) == 1 and figure.axes[0].get_yscale() == "log"


def test_representation_has_a_panel_per_number_of_labels_and_a_row_per_representation():
    def row(model, n_labels, error, **changes):
        measures = {f"{name}{end}": value for name in ("probe_error", "neighbour_error")
                    for end, value in (("", error), ("_standard_error", 0.01), ("_draw_std", 0.02))}  # fmt: skip
        known = {"model": model, "variant": "", "n_levels": None, "n_labels": n_labels, "n_draws": 4, "status": "ok"}
        return CELL | known | measures | changes

    rows = [row(name, n, error) for n in (900, 100) for name, error in (("a", 0.4), ("b", 0.2))]
    rows += [row("b", n, 0.3, variant="before training") for n in (900, 100)]
    rows += [row("raw pixels", 900, 0.5, seed=None), row("a", 900, 0.9, seed=1), row("c", 7, 0.1, status="failed")]
    with plt.rc_context():
        use_style()
        shown = table(rows, representation_table.COLUMNS)
        figure = DRAWERS["representation"](material(representation=shown))
        figure.draw_without_rendering()
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["900 labels", "100 labels"]
    assert [text.get_text() for text in first.get_yticklabels()] == ["raw pixels", "b", "b, before training", "a"]
    assert lines(first) == ["linear probe", "nearest neighbour"]
    dots = dict(zip(first.containers[0][0].get_ydata(), first.containers[0][0].get_xdata(), strict=True))
    assert dots == {0: 0.5, 1: 0.2, 2: 0.3, 3: 0.4}
    low, high = first.containers[0][2][0].get_segments()[0][:, 0]
    assert (high - low) / 2.0 == pytest.approx(2.0 * np.hypot(0.01, 0.01))
