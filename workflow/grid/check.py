"""The check of a configuration, before anything runs: against its schema, and for what a schema cannot see.

Every error is one line that says what, got, expected and what to do.
"""

import difflib
import os
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from baselines.registry import MODELS
from cdae.datasets.registry import LOADERS, check_available
from workflow.grid.cells import Options, cells
from workflow.grid.schema import definition_of_kind, schema


def check(config: Options) -> None:
    """Raise ValueError with one clear line unless the configuration is complete and makes sense."""
    _check_against(config, schema(), "")
    for name, options in config["datasets"].items():
        _check_known(f"datasets.{name}.loader", options["loader"], LOADERS)
        for key in ("path", "allow_discrete"):
            if key in options and options["loader"] != "npz":
                loader = options["loader"]
                raise ValueError(f"datasets.{name}.{key}: got it for {loader!r}, expected it for npz alone; remove it")
        if options["loader"] == "npz" and not Path(options.get("path", "")).is_file():
            raise ValueError(f"datasets.{name}.path: got {options.get('path')!r}, expected an existing npz file")
        check_available(options["loader"], config.get("data_root"))
    for name, options in config["models"].items():
        _check_known(f"models.{name}.kind", options["kind"], MODELS)
        _check_against(options, definition_of_kind(options["kind"]), f"models.{name}.")
        if options["kind"] == "cdae" and not options["first_std"] < options["last_std"]:
            raise ValueError(
                f"models.{name}.last_std: got {options['last_std']}, expected more than first_std = "
                f"{options['first_std']}: levels must increase"
            )
        if options["kind"] == "samples" and not Path(options["path"]).is_file():
            raise ValueError(f"models.{name}.path: got {options['path']!r}, expected an existing npz file")
        if name.endswith("-markov") and name.removesuffix("-markov") in config["models"]:
            raise ValueError(
                f"models.{name}: this name is that of a row of another model's Markov bound; choose another"
            )
    models = {cell.model for cell in cells(config)}
    for name in config.get("certify", {}).get("datasets", []):
        _check_known("certify.datasets", name, config["datasets"])
    for name in config.get("certify", {}).get("overrides", {}):
        _check_known("certify.overrides", name, dict.fromkeys(models, ""))
    _check_results_dir(Path(config["results_dir"]))
    if config.get("device") == "cuda":
        from cdae.computing import device  # torch takes a second to import, and no other key needs it

        device.choose("cuda")


def _check_against(value: Any, against: Options, where: str) -> None:
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
        return f"unknown key {unknown[0]!r}; {hint}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"missing key {missing[0]!r}{about}; add it, a configuration is complete in itself"
    if isinstance(error.instance, str) and error.validator == "type" and _is_number(error.instance):
        return (
            f"got the text {error.instance!r}, expected a {error.validator_value}{about}: YAML reads numbers such as "
            f"1e-3 as text; write {float(error.instance)!r}"
        )
    return f"{error.message}{about}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_known(what: str, got: str, known: dict[str, str]) -> None:
    if got not in known:
        guess = difflib.get_close_matches(got, known, n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        raise ValueError(f"{what}: got {got!r}, expected one of {', '.join(sorted(known))}{hint}")


def _check_results_dir(folder: Path) -> None:
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ValueError(f"results_dir: got {str(folder)!r}, but {existing} is not a folder that can be written to")
