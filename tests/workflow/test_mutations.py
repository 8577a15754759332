"""Whatever is changed in a right configuration: it is refused in one line that names the key, or it can be planned."""

import random
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mutations import mutated
from tests.stress import in_process

SMOKE = yaml.safe_load((Path(__file__).parents[2] / "config/smoke.yaml").read_text(encoding="utf-8"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_a_changed_configuration_is_refused_by_its_key_or_planned(seed, tmp_path_factory):
    config, path = mutated(SMOKE, random.Random(seed))
    file = tmp_path_factory.getbasetemp() / "mutated.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    assert in_process(file, path) is None


def test_the_property_can_fail(tmp_path):
    """A refusal that names another key, or two lines, or a crash, is told from a good one."""
    file = tmp_path / "config.yaml"
    file.write_text("results_dir: results/x\n", encoding="utf-8")
    assert in_process(file, ("base_seed",)) is None
    assert in_process(file, ("elsewhere",)).startswith("names no key")
