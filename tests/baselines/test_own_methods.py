"""What a user's model offers follows from the methods in its source."""

import pytest

from baselines.own_methods import offered, target_of
from cdae.import_path import ImportPath


def of(tmp_path, *names, base="object"):
    file = tmp_path / f"mine_{base}.py"
    body = "\n".join(f"    def {name}(self): ..." for name in names) or "    ..."
    file.write_text(f"from nowhere import Strange\nclass Mine({base}):\n{body}\n")
    return offered(ImportPath.parse(f"{file}:Mine"))


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (["log_prob"], {"log_prob"}),
        (["sample"], {"sample_sets"}),
        (["simulate"], {"simulate", "sample_sets"}),
        (["sample_x"], set()),
        (["log_likelihood"], {"log_likelihood"}),
        (["log_likelihood", "sample_x"], {"log_likelihood", "simulate", "sample_sets"}),
        (["infer", "log_weights", "bound_terms"], {"infer", "log_weights", "bound_terms"}),
        (["loss", "refit"], {"loss", "refit"}),
        (["forward", "denoise", "log_p"], set()),
    ],
)
def test_some_methods_are_forwarded_and_three_follow_from_others(tmp_path, written, names):
    found = of(tmp_path, *written)
    assert found.names == names | {"parameters"} and found.written == set(written)
    assert found.is_trainable == (written == ["loss", "refit"]) and not found.is_fitted


def test_a_fit_in_one_call_is_offered_and_is_no_training(tmp_path):
    found = of(tmp_path, "fit_closed_form", "loss")
    assert found.is_fitted and not found.is_trainable


def test_a_base_that_is_not_found_is_named(tmp_path):
    assert of(tmp_path, "loss").hint == ""
    assert "nowhere.Strange was not found" in of(tmp_path, "loss", base="Strange").hint


def test_the_kind_of_a_job_leads_to_the_same_target_as_that_of_the_user():
    assert target_of("own-a/own-b.py:C") == target_of("a/own-b.py:C") == ImportPath("a/own-b.py", "C")
