"""The schema of configurations, the one place where every key is described, and the tables made from it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cdae.import_path import is_import_path

FILE = Path(__file__).resolve().parents[1] / "schemas" / "config.schema.yaml"
Schema = dict[str, Any]


@cache
def schema() -> Schema:
    """The schema of a whole configuration; the keys of a model depend on its kind (`definition_of_kind`)."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
    return yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader)


def definition_of_kind(kind: str) -> Schema:
    """The schema of a model of one kind, or of a user's own by its import path: its keys, and those of every kind."""
    definitions = schema()["$defs"]
    own = definitions["own_model"] if is_import_path(kind) else definitions["kinds"][kind]
    return {
        "$defs": definitions,
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", *own["required"]],
        "properties": {
            "kind": {"const": kind},
            "seeds": {"$ref": "#/$defs/seeds"},
            "datasets": {"$ref": "#/$defs/some_datasets"},
            **own["properties"],
        },
    }


def tables() -> str:
    """Every key with its meaning and its limits, as tables in markdown."""
    whole = schema()
    definitions = whole["$defs"]
    parts = [
        _table("Top level", whole, depth=1),
        _table("Keys of a data set", definitions["dataset"]),
        _table("Keys of `estimators`", whole["properties"]["estimators"]),
        _table("Keys of `pilot`", whole["properties"]["pilot"], depth=1),
        _table("Keys of an estimator of your own, `name: {kind: my_module:MyEstimator}`", definitions["own_estimator"]),
        _table("Keys of `certify`", whole["properties"]["certify"]),
        _table("Keys of `quality`", whole["properties"]["quality"]),
        _table("Keys of `training`", definitions["training"]),
        _table("Keys of `kind: my_module:MyModel`, your own model", definitions["own_model"], depth=1),
        *(
            _table(f"Keys of `kind: {name}`, {kind['description']}", kind, depth=1)
            for name, kind in definitions["kinds"].items()
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table(title: str, keys: Schema, depth: int = 2) -> str:
    lines = [f"### {title}", "", "| key | meaning | values |", "|---|---|---|"]
    return "\n".join([*lines, *_rows(keys, "", depth)])


def _rows(keys: Schema, prefix: str, depth: int) -> Iterator[str]:
    """A row per key and, down to `depth`, per key of the objects among them."""
    for name, key in keys["properties"].items():
        meant = _resolved(key)
        optional = "" if name in keys.get("required", []) else ", optional"
        cells = f"`{prefix}{name}`{optional}", meant["description"].replace("|", r"\|"), _values(meant)
        yield f"| {' | '.join(cells)} |"
        if "properties" in meant and depth > 1:
            yield from _rows(meant, f"{prefix}{name}.", depth - 1)


def _resolved(key: Schema) -> Schema:
    """A key with what its reference says, its own words first."""
    if "$ref" not in key:
        return key
    return {**schema()["$defs"][key["$ref"].rsplit("/", 1)[1]], **key}


def _values(key: Schema) -> str:
    """What a value may be, in a few words."""
    if "enum" in key:
        return ", ".join(f"`{value}`" for value in key["enum"])
    if isinstance(key.get("type"), list):
        return " or ".join(_values({**key, "type": name}) for name in key["type"])
    if key.get("type") == "array":
        return "list of " + _values(_resolved(key["items"])).replace("whole number", "whole numbers")
    low, high = key.get("minimum"), key.get("maximum")
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    text = words.get(key.get("type", ""), "")
    if "exclusiveMinimum" in key:
        return f"{text} above {key['exclusiveMinimum']}"
    if low is not None and high is not None:
        return f"{text} from {low:,} to {high:,}"
    return text
