"""The configuration: checked against its schema, and unfolded into the cells of the grid.

Every error is one line that says what, got, expected and what to do.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from baselines.registry import MODELS
from cdae.datasets.registry import AVAILABILITY, LOADERS, check_available

SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "config.schema.yaml"
CERTIFIED_KINDS = ("cdae", "vae")  # those whose latents can be drawn and weighted
Options = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One (data set, model, seed) of the grid; `model` names the folder, `family` the row of the tables."""

    dataset: str
    model: str
    family: str
    kind: str
    n_levels: int | None
    seed: int

    def path(self, folder: str, suffix: str) -> str:
        return f"{folder}/{self.dataset}/{self.model}/{self.seed}{suffix}"


def check(config: Options) -> None:
    """Raise ValueError with one clear line unless the configuration is complete and makes sense."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    _check_against(config, schema, "")
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
        kind_schema = {"$defs": schema["$defs"], "$ref": f"#/$defs/kinds/{options['kind']}"}
        _check_against(options, kind_schema, f"models.{name}.")
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
        from cdae.computing import device  # torch takes a second to import

        device.choose("cuda")


def _check_against(value: Any, schema: Options, where: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value))
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


def cells(config: Options) -> list[Cell]:
    """All cells, by data set, then model in the order of the configuration, then seed."""
    found = []
    for dataset in config["datasets"]:
        for family, options in config["models"].items():
            for n_levels in options.get("n_levels", [None]):
                model = family if n_levels is None else f"{family}-k{n_levels}"
                for seed in options.get("seeds", config["seeds"]):
                    found.append(Cell(dataset, model, family, options["kind"], n_levels, seed))
    return found


def dataset_options(config: Options, dataset: str) -> Options:
    """Keywords of a data set's loader; those that read downloaded files are told where to look."""
    options = dict(config["datasets"][dataset])
    if options.pop("loader") in AVAILABILITY and "data_root" in config:
        options["data_root"] = config["data_root"]
    return options


def training_config(config: Options, cell: Cell) -> Options:
    """Everything that the training of a cell depends on, as plain sorted types."""
    model = dict(config["models"][cell.family])
    model.pop("seeds", None)
    if cell.n_levels is not None:
        model["n_levels"] = cell.n_levels
    return {
        "base_seed": config["base_seed"],
        "dataset": cell.dataset,
        "model": cell.model,
        "family": cell.family,
        "seed": cell.seed,
        "options": model,
    } | ({"device": config["device"]} if "device" in config else {})


def snapshots(config: Options, cell: Cell) -> list[int]:
    """Numbers of updates after which a cell's bounds are computed on the way through training."""
    return config["models"][cell.family].get("training", {}).get("snapshots", [])


def certified(config: Options, cell: Cell) -> bool:
    """Whether both sides of a cell's likelihood are estimated."""
    if "certify" not in config or cell.kind not in CERTIFIED_KINDS:
        return False
    settings = config["certify"]
    return cell.seed in settings["seeds"] and cell.dataset in settings.get("datasets", config["datasets"])


def certification_config(config: Options, cell: Cell) -> Options:
    """Everything that the certification of a cell depends on; a model's own sizes replace those for all."""
    settings = {key: value for key, value in config["certify"].items() if key not in ("seeds", "datasets", "overrides")}
    own = config["certify"].get("overrides", {}).get(cell.model, {})
    settings["n_points"] = own.get("n_points", settings["n_points"])
    n_distributions = own.get("n_distributions", settings["annealing"]["n_distributions"])
    settings["annealing"] = {**settings["annealing"], "n_distributions": n_distributions}
    return {**training_config(config, cell), "certify": settings}


def annealing_sizes(config: Options) -> dict[tuple[str, str, int | None, int], int]:
    """Distributions that annealing goes over, by (data set, family, number of levels, seed) of every certified cell."""
    sizes = {}
    for cell in cells(config):
        if certified(config, cell):
            annealing = certification_config(config, cell)["certify"]["annealing"]
            sizes[cell.dataset, cell.family, cell.n_levels, cell.seed] = annealing["n_distributions"]
    return sizes


def evaluation_config(config: Options, cell: Cell) -> Options:
    """Everything that the evaluation of a cell depends on."""
    return {**training_config(config, cell), "estimators": config["estimators"]}


def canonical(value: Any) -> str:
    """One text for one value: the form in which configurations are passed on and hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def config_sha256(config: Options, cell: Cell, job_config: Callable[[Options, Cell], Options]) -> str:
    """Hash of everything in the configuration that the numbers of a cell's job depend on.

    Args:
        job_config: `evaluation_config` or `certification_config`.
    """
    return sha256({**job_config(config, cell), "dataset_options": config["datasets"][cell.dataset]})


def sha256(value: Any) -> str:
    """Hash of the canonical form of a value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
