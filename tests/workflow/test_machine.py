"""A results folder belongs to one run at a time, also on disks that know no locks."""

import fcntl

import pytest

from workflow.grid import machine


def test_a_second_run_is_refused_until_the_first_lets_go(tmp_path):
    first = machine.hold(tmp_path / "results")
    with pytest.raises(ValueError, match="another run is writing to"):
        machine.hold(tmp_path / "results")
    first.close()
    machine.hold(tmp_path / "results").close()


def test_a_disk_without_locks_is_a_warning(tmp_path, monkeypatch, capsys):
    def no_locks(file, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    machine.hold(tmp_path).close()
    assert "cannot be locked (Function not implemented); start no second run" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file/results cannot be written to"):
        machine.hold(tmp_path / "file" / "results")


def test_the_kind_of_machine_names_what_decides_floating_point_results():
    kind = machine.kind()
    assert kind["torch"].startswith("2.") and kind["numpy"] and kind["system"] and len(kind["processor"]) > 5
