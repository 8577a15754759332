"""Parts of a long job: computed once, read afterwards, never those of another identity."""

import numpy as np
import pytest

from workflow.jobs.parts import Parts


def counting(value):
    def compute():
        compute.calls += 1
        return {"a": np.array(value)}

    compute.calls = 0
    return compute


def test_a_part_is_computed_once_and_read_afterwards(tmp_path):
    compute = counting(0.1 + 0.2)
    for _ in range(2):
        assert Parts(tmp_path / "parts", "one").get("x", compute)["a"] == 0.1 + 0.2
    assert compute.calls == 1


def test_parts_of_another_identity_are_not_read(tmp_path):
    Parts(tmp_path / "parts", "one").get("x", counting(1.0))
    assert Parts(tmp_path / "parts", "two").get("x", counting(2.0))["a"] == 2.0


def test_an_interrupted_part_leaves_nothing_behind(tmp_path):
    parts = Parts(tmp_path / "parts", "one")

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.get("x", interrupted)
    assert parts.get("x", counting(3.0))["a"] == 3.0


def test_removal_takes_all_of_them(tmp_path):
    parts = Parts(tmp_path / "parts", "one")
    parts.get("x", counting(1.0))
    parts.remove()
    parts.remove()
    assert not (tmp_path / "parts").exists()
