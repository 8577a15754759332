"""The cells of the grid: what the configuration unfolds into, and what the jobs of each of them depend on."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from baselines.own_methods import OWN
from baselines.registry import piloted
from cdae.datasets.registry import AVAILABILITY
from cdae.import_path import is_import_path
from workflow.grid.methods import kind_offers
from workflow.grid.own_estimators import is_own, own_estimators

Options = dict[str, Any]
CHOICES = ("seeds", "datasets", "models", "overrides")  # keys of `certify` that say what is certified, and not how


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
        """The cell's file, or folder, in a folder."""
        return f"{folder}/{self.dataset}/{self.model}/{self.seed}{suffix}"


def cells(config: Options) -> list[Cell]:
    """All cells, by data set, then model in the order of the configuration, then seed."""
    found = []
    for dataset in config["datasets"]:
        for family, options in config["models"].items():
            for n_levels in options.get("n_levels", [None]):
                model = family if n_levels is None else f"{family}-k{n_levels}"
                for seed in _seeds(config, dataset, options):
                    found.append(Cell(dataset, model, family, options["kind"], n_levels, seed))
    return found


def _seeds(config: Options, dataset: str, options: Options) -> list[int]:
    """The replicates of a model on a data set; none if it is not one of the model's."""
    if dataset not in options.get("datasets", config["datasets"]):
        return []
    seeds = options.get("seeds", config["seeds"])
    return [seed for seed in seeds if seed in config["datasets"][dataset].get("seeds", seeds)]


def dataset_options(config: Options, dataset: str) -> Options:
    """Keywords of a data set's loader; those that read downloaded files are told where to look."""
    options = dict(config["datasets"][dataset])
    options.pop("seeds", None)
    if options.pop("loader") in AVAILABILITY and "data_root" in config:
        options["data_root"] = config["data_root"]
    return options


def training_config(config: Options, cell: Cell) -> Options:
    """Everything that the training of a cell depends on, as plain sorted types."""
    model = dict(config["models"][cell.family])
    model.pop("seeds", None)
    model.pop("datasets", None)
    if cell.n_levels is not None:
        model["n_levels"] = cell.n_levels
    if is_import_path(cell.kind):  # tables name the sort of model before the first hyphen, and all of these are one
        model["kind"] = f"{OWN}{cell.kind}"
    found = {
        "base_seed": config["base_seed"],
        "dataset": cell.dataset,
        "model": cell.model,
        "family": cell.family,
        "seed": cell.seed,
        "options": model,
    } | _device(config)
    return {**found, "pilot": config["pilot"]} if needs_pilot(config, cell) else found


def needs_pilot(config: Options, cell: Cell) -> bool:
    """Whether a cell's levels are chosen on the errors of its data set's pilot."""
    return piloted(config["models"][cell.family]) is not None


def pilots(config: Options) -> list[str]:
    """The data sets that have a pilot: those of the models that need one."""
    return list(dict.fromkeys(cell.dataset for cell in cells(config) if needs_pilot(config, cell)))


def pilot_config(config: Options, dataset: str) -> Options:
    """Everything that the pilot of a data set depends on."""
    return {"base_seed": config["base_seed"], "dataset": dataset, "pilot": config["pilot"]} | _device(config)


def _device(config: Options) -> Options:
    return {"device": config["device"]} if "device" in config else {}


def snapshots(config: Options, cell: Cell) -> list[int]:
    """Numbers of updates after which a cell's bounds are computed on the way through training."""
    return config["models"][cell.family].get("training", {}).get("snapshots", [])


def certified(config: Options, cell: Cell) -> bool:
    """Whether both sides of a cell's likelihood are estimated: where this is asked for, and the model can simulate."""
    return _is_asked_for(config, cell) and kind_offers(cell.kind, "Simulates")


def lacks_simulate(config: Options, cell: Cell) -> bool:
    """Whether a cell has no certificate for the lack of one method: it has latents, and cannot draw x with them."""
    has_latents = kind_offers(cell.kind, "Decoder") or kind_offers(cell.kind, "Weighted")
    return _is_asked_for(config, cell) and has_latents and not kind_offers(cell.kind, "Simulates")


def _is_asked_for(config: Options, cell: Cell) -> bool:
    """Whether the configuration asks for the certificate of this replicate of this model on this data set."""
    settings = config.get("certify")
    if settings is None or cell.seed not in settings["seeds"]:
        return False
    named = cell.model in settings.get("models", [cell.model])
    return named and cell.dataset in settings.get("datasets", config["datasets"])


def certification_config(config: Options, cell: Cell) -> Options:
    """Everything that the certification of a cell depends on; a model's own sizes replace those for all."""
    settings = {key: value for key, value in config["certify"].items() if key not in CHOICES}
    own = config["certify"].get("overrides", {}).get(cell.model, {})
    settings |= {name: own.get(name, settings[name]) for name in ("n_points", "n_simulated")}
    sizes = {name: own[name] for name in ("n_distributions", "rank", "n_rounds") if name in own}
    settings["annealing"] = {**settings["annealing"], **sizes}
    return {**training_config(config, cell), "certify": settings}


def snapshots_config(config: Options, cell: Cell) -> Options:
    """Everything that the evaluation of a cell at its snapshots depends on: no estimator of a user runs there."""
    ours = {name: settings for name, settings in config["estimators"].items() if not is_own(settings)}
    return {**training_config(config, cell), "estimators": ours}


def evaluation_config(config: Options, cell: Cell) -> Options:
    """Everything that the evaluation of a cell depends on; a user's own estimator where it runs on the model."""
    found = snapshots_config(config, cell)
    for name, own in own_estimators(config["estimators"], cell.kind):
        held = {"is_held_to_exact": own.is_held_to_exact}
        found["estimators"] = {**found["estimators"], name: {**config["estimators"][name], **held}}
    return found


def sort_of_kind(kind: str) -> str:
    """What tables call a kind of model: all controls are one, and all of a user's own."""
    return (OWN if is_import_path(kind) else kind).split("-")[0]


def canonical(value: Any) -> str:
    """One text for one value: the form in which configurations are passed on and hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def portable(config: Options) -> Options:
    """The configuration without the folders of this machine, which no number depends on."""
    return {key: value for key, value in config.items() if key not in ("results_dir", "data_root")}


def sha256(value: Any) -> str:
    """Hash of the canonical form of a value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
