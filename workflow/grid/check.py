"""The check of a configuration, before anything runs: against its schema, and for what a schema cannot see.

Every error is one line that names the key and says what, got, expected and what to do.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from baselines.registry import MODELS
from cdae.datasets.registry import LOADERS, check_available
from cdae.import_path import is_import_path
from workflow.grid.cells import Options, cells
from workflow.grid.check_binary import check_binary_images, check_flips
from workflow.grid.check_certify import check_certify
from workflow.grid.check_own import check_own_loader, check_own_model
from workflow.grid.check_own_estimators import check_own_estimators, own_settings, without_own_estimators
from workflow.grid.check_quality import check_quality
from workflow.grid.check_schedule import check_pilot, check_schedule
from workflow.grid.code_hash import ROOT
from workflow.grid.refusal import check_against, check_known
from workflow.grid.schema import Schema, definition_of_kind, schema

# Folders of the project that no run may write into, or make its own by containing them.
PROTECTED = (
    *("baselines", "bench", "cdae", "config", "docs", "examples", "profiles", "tests", "workflow"),
    *(".ci", ".git", ".github", ".venv", "results/reference"),
)

PATHS = ("kind", "loader", "path", "weights")  # keys under which a path may stand
KEYS_OF_DATA = {  # loader -> its keys; others have none
    "npz": frozenset({"path", "n_intensity_levels", "allow_discrete"}),
    "images": frozenset({"path", "n_intensity_levels"}),
}
KEYS_OF_OWN_DATA = frozenset({"options", "n_intensity_levels", "allow_discrete"})


def checked(config: Options) -> Options:
    """The configuration as jobs use it: whole floats as integers where these are meant, `~` as the user's home.

    Raises:
        ValueError: with one clear line, unless the configuration is complete and makes sense.
    """
    for path, value in _walk(config):
        _check_plain(path, value)
    config = _whole_numbers(config, schema())
    check_against(without_own_estimators(config), schema(), "")
    definition = schema()["$defs"]["own_estimator"]
    for name, settings in own_settings(config).items():
        config["estimators"][name] = _whole_numbers(settings, definition)
        check_against(config["estimators"][name], definition, f"estimators.{name}.")
    models = {}
    for name, options in config["models"].items():
        if not is_import_path(options["kind"]):
            check_known(f"models.{name}.kind", options["kind"], MODELS)
        definition = definition_of_kind(options["kind"])
        models[name] = _whole_numbers(options, definition)
        check_against(models[name], definition, f"models.{name}.")
    config = _with_homes({**config, "models": models})
    for name, options in config["datasets"].items():
        _check_dataset(f"datasets.{name}", options, config.get("data_root"))
    if "pilot" in config:
        check_pilot(config["pilot"])
    for name, options in config["models"].items():
        if "schedule" in options:
            check_schedule(f"models.{name}", options, config.get("pilot"))
        if "first_flip" in options:
            check_flips(f"models.{name}", options)
        _check_model(f"models.{name}", options, is_certified="certify" in config)
        for dataset in options.get("datasets", []):
            check_known(f"models.{name}.datasets", dataset, config["datasets"])
    _check_cells(config)
    check_binary_images(config)
    check_own_estimators(config)
    _check_names(config)
    if "certify" in config:
        check_certify(config)
    if "quality" in config:
        check_quality(config)
    _check_results_dir(config["results_dir"])
    if config.get("device") == "cuda":
        from cdae.computing import device  # torch takes a second to import, and no other key needs it

        device.choose("cuda")
    return config


def _walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested mappings and lists, with the path of its keys; of a mapping its keys come first."""
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                where = f"{path}: " if path else ""
                raise ValueError(f'{where}got the key {key!r}, expected text; put it between quotes: "{key}"')
            yield from _walk(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from _walk(child, f"{path}.{i}")
    else:
        yield path, value


def _check_plain(path: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path}: got {value}, expected a finite number")
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"{path}: got {value}, which YAML reads as a {type(value).__name__}; put it between quotes")


def _whole_numbers(value: Any, against: Schema) -> Any:
    """The value with floats that are whole turned into integers, wherever the schema asks for these."""
    against = _resolved(against)
    if isinstance(value, dict):
        known, other = against.get("properties", {}), against.get("additionalProperties")
        schemas = {key: known.get(key, other if isinstance(other, dict) else {}) for key in value}
        return {key: _whole_numbers(child, schemas[key]) for key, child in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(child, against.get("items", {})) for child in value]
    is_whole = isinstance(value, float) and value.is_integer() and against.get("type") == "integer"
    return int(value) if is_whole else value


def _resolved(part: Schema) -> Schema:
    """A part of the schema with what its reference says."""
    if "$ref" not in part:
        return part
    return {**schema()["$defs"][part["$ref"].rsplit("/", 1)[1]], **part}


def _with_homes(config: Options) -> Options:
    """The configuration with a leading ~ as the user's home, wherever a path stands, import paths too."""
    config = {**config, "results_dir": _at_home(config["results_dir"]).rstrip("/") or "/"}
    if "data_root" in config:
        config["data_root"] = _at_home(config["data_root"])
    for part in ("datasets", "models", "estimators"):
        config[part] = {
            name: {key: _at_home(value) if key in PATHS else value for key, value in options.items()}
            for name, options in config[part].items()
        }
    return config


def _at_home(path: Any) -> str:
    return str(Path(path).expanduser()) if path.startswith("~") else path


def _check_dataset(where: str, options: Options, data_root: str | None) -> None:
    loader = options["loader"]
    if not is_import_path(loader):
        check_known(f"{where}.loader", loader, LOADERS)
    allowed = KEYS_OF_OWN_DATA if is_import_path(loader) else KEYS_OF_DATA.get(loader, frozenset())
    for key in [key for key in options if key not in ("loader", "seeds") and key not in allowed]:
        takers = [name for name, keys in KEYS_OF_DATA.items() if key in keys]
        takers += ["an import path"] if key in KEYS_OF_OWN_DATA else []
        raise ValueError(f"{where}.{key}: got it for {loader!r}, expected it for {' or '.join(takers)}; remove it")
    if is_import_path(loader):
        check_own_loader(where, options)
    elif loader == "npz":
        _check_file(f"{where}.path", options.get("path", ""))
    elif loader == "images":
        _check_folder(f"{where}.path", options.get("path", ""))
    check_available(loader, data_root)


def _check_file(where: str, path: str) -> None:
    """A file of the user's."""
    if not Path(path).is_file():
        raise ValueError(f"{where}: got {path!r}, expected an existing npz file")


def _check_folder(where: str, path: str) -> None:
    if not path or not Path(path).is_dir():
        raise ValueError(f"{where}: got {path!r}, expected an existing folder of images")


def _check_model(where: str, options: Options, *, is_certified: bool) -> None:
    if options.get("variances") == "learned" and options.get("last_step", "closed_form") != "closed_form":
        raise ValueError(
            f"{where}.variances: got 'learned' with last_step: {options['last_step']}, whose density has no rho_0 to "
            "learn; remove one of the two"
        )
    if options.get("n_importance_samples", 1) > 1 and options.get("reconstruction") == "per_pixel":
        raise ValueError(
            f"{where}.n_importance_samples: got {options['n_importance_samples']} with reconstruction: per_pixel, "
            "whose standard deviations are those of the lower bound; remove one of the two"
        )
    if options["kind"] == "samples":
        _check_file(f"{where}.path", options["path"])
    if is_import_path(options["kind"]):
        check_own_model(where, options, is_certified=is_certified)
    training = options.get("training", {})
    for n_updates in training.get("snapshots", []):
        if n_updates >= training["n_updates"]:
            raise ValueError(
                f"{where}.training.snapshots: got {n_updates}, expected less than n_updates = {training['n_updates']}"
            )


def _check_cells(config: Options) -> None:
    """No model and no data set without a cell, which would silently be in no table."""
    all_cells = cells(config)
    for part, used in [("models", {c.family for c in all_cells}), ("datasets", {c.dataset for c in all_cells})]:
        for name in config[part]:
            if name not in used:
                raise ValueError(
                    f"{part}.{name}: got no replicate of it by seeds and datasets, expected at least one; change these "
                    "keys of the model or the data set, or remove it"
                )


def _check_names(config: Options) -> None:
    """Every cell has files of its own, also on a disk that does not tell capital letters from small ones."""
    owners: dict[tuple[str, str, int], str] = {}
    for cell in cells(config):
        what = f"models.{cell.family}" + (f" with n_levels {cell.n_levels}" if cell.n_levels else "")
        key = (cell.dataset.lower(), cell.model.lower(), cell.seed)
        if key in owners:
            raise ValueError(
                f"{what}: its files on {cell.dataset!r} have the names of those of {owners[key]}; rename a model or a "
                "data set, so that names differ in more than capital letters"
            )
        owners[key] = f"{what} on {cell.dataset!r}"
    for name in config["models"]:
        if name.endswith("-markov") and name.removesuffix("-markov") in config["models"]:
            raise ValueError(
                f"models.{name}: this name is that of a row of another model's Markov bound; choose another"
            )


def _check_results_dir(name: str) -> None:
    """A folder that can hold results, and whose loss or change harms nothing else."""
    if name.startswith("-") or re.search(r"[{}\x00-\x1f*?\[\]]", name):
        raise ValueError(f"results_dir: got {name!r}, expected a path without {{ }} * ? [ ] that begins with no -")
    folder = Path(name)
    if folder.is_symlink() and not folder.exists():
        raise ValueError(
            f"results_dir: {name} is a link to {folder.readlink()}, which does not exist; make it or choose"
        )
    existing = next(path for path in [folder, *folder.absolute().parents] if path.exists())
    if not existing.is_dir():
        raise ValueError(f"results_dir: got {name!r}, but {existing} is not a folder")
    real = folder.resolve()
    for kept in (ROOT / part for part in PROTECTED):
        if real.is_relative_to(kept.resolve()) or kept.resolve().is_relative_to(real):
            raise ValueError(
                f"results_dir: got {name!r}, which is, holds or lies in the project's {kept.relative_to(ROOT)}; choose "
                "a folder of its own, such as results/mine"
            )
