"""The comparison with a reference: equal tables pass, a planted deviation fails, and so does a missing cell."""

import pytest

from tests.workflow.records import CELL, certificate, certificate_table
from workflow.grid.products import TABLES
from workflow.tables import comparison
from workflow.tables.identity import table, write_csv
from workflow.tables.log_likelihood import COLUMNS

CELL = CELL | {"dataset": "digits"}


def estimates(**changes):
    """Three seeds, of which the second is changed."""
    known = {"estimator": "lower_bound", "split": "test", "n_points": 400, "standard_error_nats": 0.5, "status": "ok"}
    rows = [CELL | known | {"seed": seed, "mean_nats": 50.0 + seed} for seed in (0, 1, 2)]
    rows[1] |= changes
    return table(rows, COLUMNS)


def certified(**changes):
    return certificate_table(certificate(**CELL | {"gap_nats": 4.0} | changes))


@pytest.fixture
def folders(tmp_path):
    """A reference made from one table, and a function that writes a run's tables."""
    reference, tables = tmp_path / "reference", tmp_path / "results" / "tables"
    tables.mkdir(parents=True)
    for name in TABLES:
        (tables / name).write_text(f"this is {name}")

    def write(estimates, certificates):
        write_csv(tables / comparison.TABLE, estimates)
        write_csv(tables / comparison.CERTIFICATES, certificates)

    write(estimates(), certified())
    comparison.update(reference, tables)
    return reference, tables, write


def test_the_reference_is_every_table_and_the_committed_figures(folders):
    reference, tables, _ = folders
    for name in TABLES:
        assert (reference / name).read_bytes() == (tables / name).read_bytes()
    for name in ("samples", "parzen"):
        figure = tables.parent / "figures" / "digits" / f"{name}.svg"
        figure.parent.mkdir(parents=True, exist_ok=True)
        figure.write_text(name)
    comparison.update(reference, tables)
    assert [path.name for path in (reference / "figures").rglob("*.svg")] == ["parzen.svg"]
    assert (reference / "figures" / "digits" / "parzen.svg").read_text() == "parzen"


def test_an_equal_run_passes(folders, capsys):
    reference, tables, _ = folders
    assert comparison.report(reference, tables) == 0
    assert "4 rows compared" in (output := capsys.readouterr().out) and "all rows equal" in output


def test_a_planted_deviation_fails_and_is_named(folders, capsys):
    reference, tables, write = folders
    write(estimates(mean_nats=51.0 + 5.2 * (0.5**2 + 1.0**2) ** 0.5), certified())
    assert comparison.report(reference, tables) == 1
    output = capsys.readouterr().out
    assert "FAILED: 1 rows" in output and "lower_bound" in output


@pytest.mark.parametrize("changes", [{"mean_nats": 170.0}, {"gap_nats": 4.1}, {"status": "failed"}])
def test_a_deviating_certificate_fails_and_is_named(folders, capsys, changes):
    reference, tables, write = folders
    write(estimates(), certified(**changes))
    assert comparison.report(reference, tables) == 1
    output = capsys.readouterr().out
    assert "FAILED: 1 rows" in output and "certified: annealed" in output


def test_within_the_tolerance_another_machine_passes_and_the_same_kind_does_not(folders, capsys, monkeypatch):
    reference, tables, write = folders
    write(estimates(mean_nats=51.0 + 4.8 * (0.5**2 + 1.0**2) ** 0.5), certified())
    assert comparison.report(reference, tables) == 1
    assert "not equal" in capsys.readouterr().out
    monkeypatch.setattr("workflow.grid.machine.kind", lambda: {"processor": "another"})
    assert comparison.report(reference, tables) == 0
    assert "1 rows differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    "other", [estimates().iloc[:2], estimates(status="failed", mean_nats=float("nan")), estimates(seed=7)]
)
def test_a_missing_failed_or_added_cell_fails_on_any_machine(folders, monkeypatch, other):
    reference, tables, write = folders
    monkeypatch.setattr("workflow.grid.machine.kind", lambda: {"processor": "another"})
    write(other, certified())
    assert comparison.report(reference, tables) == 1


def test_a_cell_that_failed_in_both_is_no_deviation(folders, capsys, monkeypatch):
    """Whatever the value that it failed with, such as a bound above the exact value."""
    reference, tables, write = folders
    write(estimates(status="failed"), certified())
    comparison.update(reference, tables)
    monkeypatch.setattr("workflow.grid.machine.kind", lambda: {"processor": "another"})
    write(estimates(status="failed", mean_nats=90.0), certified())
    assert comparison.report(reference, tables) == 0
    assert "1 rows differ" in capsys.readouterr().out


def test_a_run_without_certificates_is_compared_too(folders):
    reference, tables, write = folders
    write(estimates(), certificate_table())
    comparison.update(reference, tables)
    assert comparison.report(reference, tables) == 0


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"log_likelihood\.csv: no such table; finish the run"):
        comparison.report(tmp_path, tmp_path)
