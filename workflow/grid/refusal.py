"""One line for a value that does not fit the schema of configurations: what, got, expected, and what to do."""

import difflib
import math
from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from workflow.grid.schema import Schema

LONGEST_MESSAGE = 300  # characters of a message that quotes a value


def check_against(value: Any, against: Schema, where: str) -> None:
    """Raise ValueError, naming the key, unless a value fits a schema.

    Args:
        where: the path of keys that leads to the value, with a dot at its end, or nothing.
    """
    error = best_match(Draft202012Validator(against).iter_errors(value))
    if error is not None:
        path = where + ".".join(map(str, error.absolute_path))
        raise ValueError(f"{path.rstrip('.') or 'configuration'}: {_explain(error)}")


def _explain(error: ValidationError) -> str:
    about = f" ({error.schema['description']})" if "description" in error.schema else ""
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        guess = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"known keys are {', '.join(known) or 'none'}"
        return f"unknown key {short(unknown[0])}; {hint}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"missing key {missing[0]!r}{about}; add it, a configuration is complete in itself"
    if isinstance(error.instance, str) and error.validator == "type" and _is_number(error.instance):
        number = float(error.instance)
        if error.validator_value == "integer" and number.is_integer():
            number = int(number)
        return (
            f"got the text {error.instance!r}, expected a {error.validator_value}{about}: YAML reads numbers such as "
            f"1e-3 as text; write {number!r}"
        )
    if error.validator in EXPECTATIONS:
        return f"got {short(error.instance)}, expected {EXPECTATIONS[error.validator](error.validator_value)}{about}"
    return f"{' '.join(error.message.split())[:LONGEST_MESSAGE]}{about}"


EXPECTATIONS: dict[str, Callable[[Any], str]] = {
    "type": lambda names: " or ".join(TYPES[name] for name in ([names] if isinstance(names, str) else names)),
    "enum": lambda values: "one of " + ", ".join(map(repr, values)),
    "const": lambda value: repr(value),
    "minimum": lambda low: f"at least {low}",
    "maximum": lambda high: f"at most {high}",
    "exclusiveMinimum": lambda low: f"a number above {low}",
    "minItems": lambda n: f"at least {n} entries",
    "maxItems": lambda n: f"at most {n} entries",
    "minLength": lambda n: f"at least {n} characters",
    "maxLength": lambda n: f"at most {n} characters",
    "minProperties": lambda n: f"at least {n} keys",
    "pattern": lambda pattern: f"text of the form {pattern}",
    "uniqueItems": lambda _: "every entry once",
}


TYPES = {
    "object": "keys with values",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
}


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_MESSAGE // 3 else text[: LONGEST_MESSAGE // 3] + "..."


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def check_known(what: str, got: str, known: dict[str, Any] | set[str]) -> None:
    """Raise ValueError unless a name is one of those known."""
    if got not in known:
        guess = difflib.get_close_matches(got, known, n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        raise ValueError(f"{what}: got {short(got)}, expected one of {', '.join(sorted(known))}{hint}")
