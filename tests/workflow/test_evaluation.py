"""The job that evaluates one cell: its rows, its values, training examples, and failures that are rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cdae import checkpoint
from cdae.computing.files import read_record, write_record
from cdae.data import load_evaluation_set
from cdae.estimators.catalogue import ESTIMATORS
from cdae.seen_examples import with_seen_examples
from tests.helpers import seeded
from workflow.jobs import evaluation as module
from workflow.jobs.cell import CellJob
from workflow.jobs.evaluation import Evaluation
from workflow.tables.bound_terms import bound_terms
from workflow.tables.cells import read_evaluated, read_snapshots
from workflow.tables.diagnostics import diagnostics
from workflow.tables.gradient_variance import gradient_variances
from workflow.tables.levels import levels
from workflow.tables.log_likelihood import log_likelihood
from workflow.tables.snapshots import snapshots
from workflow.tables.train_test_gap import train_test_gap

ESTIMATOR_SETTINGS = {
    "lower_bound": {"n_draws": 3}, "markov_bound": {"n_draws": 3}, "parzen": {"n_samples": 20}, "exact": {},
    "importance_weighted": {"n_importance_samples": 2, "n_points": 5},
}  # fmt: skip
OPTIONS = {
    "cdae": {
        "kind": "cdae", "n_levels": 3, "denoiser": "blind", "schedule": "geometric", "first_std": 0.25,
        "last_std": 4.0, "loss": "shrunk", "hidden_sizes": [4], "training": {},
    },
    "dae": {
        "kind": "dae", "corruption_std": 0.5, "n_walkback_steps": 0, "chain_steps": [1, 2], "hidden_sizes": [4],
        "training": {},
    },
    "vae": {"kind": "vae", "latent_dim": 2, "hidden_sizes": [4], "training": {}},
    "control-gaussian": {"kind": "control-gaussian", "covariance": "diagonal"},
    "control-training-samples": {"kind": "control-training-samples"},
}  # fmt: skip
HASHES = {"config_sha256": "a", "code_sha256": "b"}


def cell(kind, *, without=(), **changes) -> CellJob:
    settings = {name: s for name, s in ESTIMATOR_SETTINGS.items() if name not in without}
    identity = {"base_seed": 1, "dataset": "digits", "model": "mine-k3", "family": "mine", "seed": 0}
    return CellJob({**identity, "options": OPTIONS[kind], "estimators": settings, **changes})


def save_weights(of: CellJob, data, path) -> None:
    evaluation = Evaluation(of, data)
    fitted = evaluation.build()
    if of.options["kind"] == "control-gaussian":
        fitted.fit_closed_form(evaluation.data.training, generator=seeded(0))
    checkpoint.save(fitted, path)


def evaluated(of: CellJob, data, folder) -> Evaluation:
    save_weights(of, data, folder / "weights")
    evaluation = Evaluation(of, data)
    evaluation.run(folder / "weights")
    return evaluation


def run_with(training, of: CellJob, data, folder, hashes=HASHES):
    """What the door calls, after a training that left this record; the evaluated cell as the tables read it."""
    save_weights(of, data, folder / "weights")
    write_record(folder / "training.json", {"notes": [], **training})
    outputs = folder / "record.json", folder / "record.npz", folder / "pictures.npz", folder / "kept"
    module.run(of.config, hashes, data, folder / "weights", folder / "training.json", *outputs)
    return read_evaluated(folder / "record.json")


def test_an_evaluation_is_read_by_the_tables_as_it_was_made(digits, tmp_path):
    trained = {"status": "ok", "n_updates": [10, 20]}
    read = run_with(trained, cell("cdae"), digits, tmp_path)
    made = evaluated(cell("cdae"), digits, tmp_path)
    assert read.record == made.record(n_updates=20, **HASHES)
    assert read.values.keys() == made.values.keys()
    assert all(np.array_equal(read.values[name], made.values[name]) for name in made.values)
    assert [row.status for row in made.rows] == ["ok"] * 5
    names = {"samples/last step mean", "samples/last step sample", "path", "noisy", "reconstructed", "clean"}
    assert set(made.pictures) == names
    json.dumps(made.record().to_json(), allow_nan=False)


def test_a_row_is_the_mean_of_its_values_on_its_points(digits, tmp_path):
    made = evaluated(cell("cdae"), digits, tmp_path)
    by_name = {row.estimator: row for row in made.rows}
    row = by_name["importance_weighted"]
    values, indices = made.values[row.key], made.values[f"{row.key}/indices"]
    assert len(values) == row.n_points == 5 and row.n_importance_samples == 2 and row.converged is not None
    assert row.mean_nats == pytest.approx(values.mean()) and row.exact_nats is None
    assert row.standard_error_nats == pytest.approx(values.std(ddof=1) / np.sqrt(5))
    assert indices.tolist() == made.data.random_subset(5, seed=made.cell.subset_seed()).tolist()
    assert by_name["lower_bound"].n_points == len(made.data.examples)


def test_rows_of_samples_say_which_samples_they_are(digits, tmp_path):
    rows = evaluated(cell("dae"), digits, tmp_path).rows
    found = {(row.variant, row.last_step, row.chain_start, row.n_chain_steps) for row in rows}
    assert ("mean-only from data, 2 steps", "mean", "data", 2) in found
    assert ("sampling from noise, 1 steps", "sample", "noise", 1) in found and len(found) == 8


def test_the_exact_value_stands_beside_every_estimate_where_it_is_known(mixture_2d, tmp_path):
    made = evaluated(cell("control-gaussian", dataset="mixture_2d"), mixture_2d, tmp_path)
    known = load_evaluation_set(mixture_2d).log_density
    for row in made.rows:
        assert row.exact_nats == pytest.approx(known.mean().item())
        assert row.excess_nats == pytest.approx(row.mean_nats - row.exact_nats)
    assert {row.estimator for row in made.rows if row.model_exact_nats is not None} == {"exact"}


def test_a_bound_above_the_exact_value_is_a_failed_row_that_keeps_its_numbers(mixture_2d, tmp_path, monkeypatch):
    real = load_evaluation_set

    def lowered(path):
        data = real(path)
        return replace(data, log_density=data.log_density - 100.0)

    monkeypatch.setattr(module, "load_evaluation_set", lowered)
    (row, *_) = evaluated(cell("control-gaussian", dataset="mixture_2d"), mixture_2d, tmp_path).rows
    assert (row.estimator, row.status) == ("exact", "failed") and "above the exact value" in row.reason
    assert row.mean_nats is not None and row.excess_nats > 50.0


def test_a_training_that_failed_is_a_failed_row_of_every_estimator(digits, tmp_path):
    read = run_with({"status": "failed", "reason": "training diverged"}, cell("cdae"), digits, tmp_path)
    assert {row.reason for row in read.record.rows} == {"training diverged"}
    names = [row.estimator + row.model_suffix for row in read.record.rows]
    assert names == ["lower_bound", "markov_bound-markov", "importance_weighted", "parzen"]
    assert read.values == {} and read.record.n_updates is None


def test_snapshots_have_the_finished_models_random_numbers(digits, tmp_path):
    """So the way through training is paired: at the end it meets the finished model."""
    of = cell("cdae")
    end = evaluated(of, digits, tmp_path)
    checkpoint.save_snapshots({10: checkpoint.state(end.build()), 20: checkpoint.state(end.build())}, tmp_path / "kept")
    write_record(tmp_path / "training.json", {"status": "ok"})
    files = [tmp_path / name for name in ("kept", "training.json", "snapshots.json")]
    module.run_at_snapshots(of.config, HASHES, digits, *files)
    on_the_way = read_snapshots(tmp_path / "snapshots.json")
    assert [record.n_updates for record in on_the_way] == [10, 20]
    expected = [row for row in end.rows if row.estimator in ("lower_bound", "importance_weighted")]
    assert on_the_way[0].rows == expected and on_the_way[0].levels == end.levels
    without = evaluated(cell("vae"), digits, tmp_path).record(n_updates=30)
    table = snapshots(
        [end.record(n_updates=30), replace(without, identity=replace(without.identity, model="v"))], on_the_way
    )
    assert table["n_updates"].tolist() == [10, 10, 20, 20, 30, 30] and set(table["model"]) == {"mine"}
    assert set(table["estimator"]) == {"lower_bound", "importance_weighted"}
    assert levels([end.record(n_updates=30), *on_the_way])["level"].tolist() == [1, 2, 3] * 3


def test_an_evaluation_knows_the_exact_value_on_training_examples(digits, tmp_path, monkeypatch):
    """Of the very examples that every model of the data set shares, against the density computed here."""
    monkeypatch.setattr(module, "N_SEEN_EXAMPLES", 200)
    evaluation = evaluated(cell("control-gaussian"), digits, tmp_path)
    ((name, found),) = evaluation.seen_examples.items()
    generator = cell("vae", model="another", seed=7).seen_examples_generator()
    x = with_seen_examples(load_evaluation_set(digits), 200, generator=generator).examples
    model = evaluation.build()
    model.fit_closed_form(evaluation.data.training, generator=seeded(0))
    values = model.log_prob(x).numpy()
    assert name == "exact" and found.n_points == 200
    assert found.mean_nats == pytest.approx(values.mean(), rel=1e-12)
    assert found.standard_error_nats == pytest.approx(values.std(ddof=1) / np.sqrt(200), rel=1e-12)


def test_models_without_a_bound_or_a_density_have_no_values_on_training_examples(digits, tmp_path):
    assert evaluated(cell("control-training-samples"), digits, tmp_path).seen_examples == {}
    assert set(evaluated(cell("vae"), digits, tmp_path).seen_examples) == {"lower_bound"}


def test_training_examples_change_no_other_number(digits, tmp_path, monkeypatch):
    with_them = evaluated(cell("vae"), digits, tmp_path)
    entry = ESTIMATORS["lower_bound"]
    monkeypatch.setitem(ESTIMATORS, "lower_bound", replace(entry, on_training_examples=False))
    without = evaluated(cell("vae"), digits, tmp_path)
    assert with_them.rows == without.rows and with_them.seen_examples and not without.seen_examples
    assert all(np.array_equal(with_them.values[name], without.values[name]) for name in without.values)
    assert all(np.array_equal(with_them.pictures[name], without.pictures[name]) for name in without.pictures)


def test_a_density_that_is_not_finite_on_training_examples_is_a_failed_row(digits, tmp_path, monkeypatch):
    def with_nan(*args, **kwargs):
        data = with_seen_examples(*args, **kwargs)
        return replace(data, examples=data.examples * torch.nan)

    monkeypatch.setattr(module, "with_seen_examples", with_nan)
    evaluation = evaluated(cell("control-gaussian"), digits, tmp_path)
    (failed,) = [row for row in evaluation.rows if row.status == "failed"]
    assert failed.estimator == "exact on training examples" and "values not finite" in failed.reason
    assert evaluation.seen_examples == {}


def test_rows_of_the_markov_bound_are_of_a_model_of_their_own_in_every_table(digits, tmp_path):
    read = run_with({"status": "ok"}, cell("cdae"), digits, tmp_path)
    table, record = log_likelihood([read]), read.record
    of_markov = table["estimator"] == "markov_bound"
    assert set(table.loc[of_markov, "model"]) == {"mine-markov"} and set(table.loc[~of_markov, "model"]) == {"mine"}
    assert (table["kind"] == "cdae").all() and table["bits_per_dim"][of_markov].notna().all()
    assert bound_terms([record])["model"].value_counts().to_dict() == {"mine": 4, "mine-markov": 4}
    assert set(diagnostics([record])["model"]) == {"mine"}
    gaps = train_test_gap([record]).set_index("model")
    assert gaps["estimator"].to_dict() == {"mine": "lower_bound", "mine-markov": "markov_bound"}
    assert {"lower_bound/", "markov_bound/"} <= set(read.values)


def test_the_markov_bound_changes_no_other_number(digits, tmp_path):
    with_it = evaluated(cell("cdae"), digits, tmp_path)
    without = evaluated(cell("cdae", without=["markov_bound"]), digits, tmp_path)
    assert [row for row in with_it.rows if row.estimator != "markov_bound"] == without.rows
    assert all(np.array_equal(with_it.values[name], without.values[name]) for name in without.values)
    assert with_it.levels == without.levels


def test_an_estimator_that_fails_is_a_row_of_its_own_model_and_the_others_stand(digits, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ArithmeticError("no")

    monkeypatch.setitem(ESTIMATORS, "markov_bound", replace(ESTIMATORS["markov_bound"], estimate=broken))
    rows = evaluated(cell("cdae"), digits, tmp_path).rows
    failed = [(row.estimator, row.model_suffix, row.reason) for row in rows if row.status == "failed"]
    assert failed == [("markov_bound", "-markov", "no"), ("markov_bound on training examples", "", "no")]
    assert sum(row.status == "ok" for row in rows) == 4


def test_values_that_are_not_finite_are_a_failed_row_of_their_variant_alone(digits, tmp_path, monkeypatch):
    real = ESTIMATORS["parzen"].estimate

    def first_is_broken(*args, **kwargs):
        first, *others = real(*args, **kwargs)
        yield replace(first, values=first.values * torch.nan)
        yield from others

    monkeypatch.setitem(ESTIMATORS, "parzen", replace(ESTIMATORS["parzen"], estimate=first_is_broken))
    failed, *others = evaluated(cell("dae"), digits, tmp_path).rows
    assert (failed.status, failed.n_points, failed.n_chain_steps) == ("failed", 400, 1)
    assert "400 of 400 values not finite" in failed.reason and failed.variant
    assert len(others) == 7 and {row.status for row in others} == {"ok"}


def test_a_failure_of_the_machine_is_no_row(digits, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setitem(ESTIMATORS, "lower_bound", replace(ESTIMATORS["lower_bound"], estimate=full))
    with pytest.raises(OSError, match="no space left"):
        evaluated(cell("vae"), digits, tmp_path)


def test_diagnostics_are_a_table_with_a_row_each(digits, tmp_path):
    record = evaluated(cell("dae"), digits, tmp_path).record()
    table = diagnostics([record])
    assert set(table["diagnostic"]) == {"bandwidth", "n_samples", "n_steps", "rms_distance_to_start"}
    chosen = table[(table["variant"] == "mean-only from data, 2 steps") & (table["diagnostic"] == "n_steps")]
    assert chosen["value"].tolist() == [2.0]
    converged = diagnostics([evaluated(cell("vae"), digits, tmp_path).record()]).set_index("diagnostic")["value"]
    assert converged["converged"] in (0.0, 1.0)


def test_a_record_has_no_number_that_json_lacks(digits, tmp_path):
    run_with({"status": "ok"}, cell("vae"), digits, tmp_path)
    json.dumps(read_record(tmp_path / "record.json"), allow_nan=False)


def test_the_noise_of_every_loss_is_measured_and_has_its_row(digits, tmp_path):
    """At the same weights the loss over all levels varies least per example; per pass of the network it may not."""
    of = cell("cdae")
    end = evaluated(of, digits, tmp_path)
    assert set(end.gradient_variance) == {"shrunk", "shrunk_uniform", "full"}
    assert (
        0.0
        < end.gradient_variance["full"]
        < min(end.gradient_variance["shrunk"], end.gradient_variance["shrunk_uniform"])
    )
    table = gradient_variances([end.record(n_updates=30)]).set_index("loss")
    assert table["passes_per_example"].to_dict() == {"shrunk": 1, "shrunk_uniform": 1, "full": 3}
    expected = {name: value * (3 if name == "full" else 1) for name, value in end.gradient_variance.items()}
    assert table["variance_of_as_many_passes"].to_dict() == expected
    assert evaluated(cell("vae"), digits, tmp_path).gradient_variance == {}
