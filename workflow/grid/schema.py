"""The schema of configurations, the one place where every key is described."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[1] / "schemas" / "config.schema.yaml"


@cache
def schema() -> dict[str, Any]:
    """The schema of a whole configuration; the keys of a model depend on its kind (`definition_of_kind`)."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def definition_of_kind(kind: str) -> dict[str, Any]:
    """The schema of a model of one kind."""
    return {"$defs": schema()["$defs"], "$ref": f"#/$defs/kinds/{kind}"}
