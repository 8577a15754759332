"""What YAML lets pass and would be misread is refused, in one line, with the number of the line in the file."""

import pytest

from workflow.grid.config_file import DEEPEST, LARGEST_BYTES, TEMPLATING, read

RIGHT = "results_dir: results/mine\nseeds: [0, 1]\nmodels: {a: {kind: vae}}\n"


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def test_a_right_file_is_read_as_it_is(tmp_path):
    assert read(written(tmp_path, RIGHT)) == {
        "results_dir": "results/mine", "seeds": [0, 1], "models": {"a": {"kind": "vae"}},
    }  # fmt: skip


def test_aliases_and_merged_keys_stay_allowed(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\n"
    assert read(written(tmp_path, text))["c"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is in line 1 already"),
        ("m:\n  x: {k: 1,\n    k: 2}\n", "line 3: the key 'k' is in line 2 already"),
        ("l:\n- {k: 1}\n- k: 1\n  k: 2\n", "line 4: the key 'k' is in line 3 already"),
        ("a: 1\non: 2\n", "line 2: got the key on, which YAML reads as no text"),
        ("a: 1\n007: 2\n", "line 2: got the key 007, which YAML reads as no text"),
        ("2020-01-01: 2\n", "line 1: got the key 2020-01-01, which YAML reads as no text"),
        ("[1, 2]: 2\n", "which YAML reads as no text"),
        ("a: &a\n  b: *a\n", "an alias contains itself"),
        (f"{TEMPLATING}: true\n", "before you trust it"),
        (f"m: {{{TEMPLATING}: true}}\n", "before you trust it"),
        ("a: [1\nb: 2\n", "line 2: not YAML"),
        ("a: \x00\n", "not YAML"),
        ("- 1\n", "got no keys"),
        ("", "got no keys"),
        ("a: " + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested too deeply"),
        ("a: " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
        ("a: 1\n" + "#" * LARGEST_BYTES, "expected at most 1,000,000"),
        (RIGHT.encode("utf-16"), "no UTF-8"),
        ("a: café\n".encode("latin-1"), "no UTF-8"),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path, text, expected):
    with pytest.raises(ValueError, match=r"config\.yaml") as caught:
        read(written(tmp_path, text))
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_aliases_that_multiply_are_refused(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ValueError, match="repeated too often by aliases"):
        read(written(tmp_path, "\n".join(lines)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.yaml: no such file"):
        read(tmp_path / "none.yaml")
