"""The comparison with a reference: equal tables pass, a planted deviation fails, and so does a missing cell."""

import pandas as pd
import pytest

from workflow.scripts import certificates, compare
from workflow.scripts.tabulate import COLUMNS


def table(**changes):
    rows = [
        {
            "dataset": "digits", "model": "cdae", "kind": "cdae", "n_levels": 4, "seed": seed,
            "estimator": "lower_bound", "split": "test", "n_points": 400, "mean_nats": 50.0 + seed,
            "standard_error_nats": 0.5, "status": "ok",
        }
        for seed in (0, 1, 2)
    ]  # fmt: skip
    frame = pd.DataFrame(rows).reindex(columns=COLUMNS)
    for column, value in changes.items():
        frame.loc[1, column] = value
    return frame


def certificate(**changes):
    row = {
        "dataset": "digits", "model": "cdae", "kind": "cdae", "n_levels": 4, "seed": 0, "estimator": "annealed",
        "variant": "guided", "n_importance_samples": 1, "mean_nats": 60.0, "standard_error_nats": 0.5,
        "gap_nats": 4.0, "status": "ok",
    }  # fmt: skip
    return pd.DataFrame([{name: (row | changes).get(name) for name in certificates.COLUMNS}])


@pytest.fixture
def folders(tmp_path):
    """A reference made from one table, and a function that writes a run's table."""
    reference, tables = tmp_path / "reference", tmp_path / "results" / "tables"
    tables.mkdir(parents=True)
    for name in compare.REFERENCE_FILES:
        (tables / name).write_text("")

    def write(frame, certified=None):
        frame.to_csv(tables / compare.TABLE, index=False)
        (certificate() if certified is None else certified).to_csv(tables / compare.CERTIFICATES, index=False)

    write(table())
    compare.update(reference, tables)
    return reference, tables, write


def test_an_equal_run_passes(folders, capsys):
    reference, tables, _ = folders
    assert compare.report(reference, tables) == 0
    assert "all rows equal" in capsys.readouterr().out


def test_a_planted_deviation_fails_and_is_named(folders, capsys):
    reference, tables, write = folders
    write(table(mean_nats=51.0 + 5.2 * (0.5**2 + 1.0**2) ** 0.5))
    assert compare.report(reference, tables) == 1
    output = capsys.readouterr().out
    assert "FAILED: 1 rows" in output and "lower_bound" in output


@pytest.mark.parametrize("changes", [{"mean_nats": 70.0}, {"gap_nats": 4.1}, {"status": "failed"}])
def test_a_deviating_certificate_fails_and_is_named(folders, capsys, changes):
    reference, tables, write = folders
    write(table(), certificate(**changes))
    assert compare.report(reference, tables) == 1
    output = capsys.readouterr().out
    assert "FAILED: 1 rows" in output and "certified: annealed" in output


def test_within_the_tolerance_another_machine_passes_and_the_same_kind_does_not(folders, capsys, monkeypatch):
    reference, tables, write = folders
    write(table(mean_nats=51.0 + 4.8 * (0.5**2 + 1.0**2) ** 0.5))
    assert compare.report(reference, tables) == 1
    assert "not equal" in capsys.readouterr().out
    monkeypatch.setattr(compare, "machine", lambda: {"processor": "another"})
    assert compare.report(reference, tables) == 0
    assert "1 rows differ" in capsys.readouterr().out


@pytest.mark.parametrize("other", [table().iloc[:2], table(status="failed", mean_nats=float("nan")), table(seed=7)])
def test_a_missing_failed_or_added_cell_fails_on_any_machine(folders, monkeypatch, other):
    reference, tables, write = folders
    monkeypatch.setattr(compare, "machine", lambda: {"processor": "another"})
    write(other)
    assert compare.report(reference, tables) == 1


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"log_likelihood\.csv: no such table; finish the run"):
        compare.report(tmp_path, tmp_path)
