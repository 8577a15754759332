"""Which cells the quality stage judges, and what its jobs depend on.

A classifier needs labels, so data sets without them have no cells here. Of the cells of the others those take part
whose models can be sampled, by their methods, or whose settings name them.
"""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from cdae.import_path import is_import_path
from workflow.grid import cells as grid
from workflow.grid.cells import Cell, Options
from workflow.grid.methods import kind_offers

WITHOUT_LABELS = frozenset({"frey_faces", "gaussian_8d", "images", "mixture_1d", "mixture_2d"})  # loaders
OF_THE_GRID = ("seeds", "datasets", "models")  # keys that say what is judged, and not how


def may_have_labels(options: Options) -> bool:
    """Whether a data set can have labels, by its options; of a user's own code only running it tells."""
    if options["loader"] != "npz":
        return options["loader"] not in WITHOUT_LABELS
    return _has_labels(options.get("path", ""))


def _has_labels(path: str) -> bool:
    try:
        with ZipFile(Path(path)) as archive:
            return "labels.npy" in archive.namelist()
    except (OSError, BadZipFile):
        return False


def datasets(config: Options) -> list[str]:
    """The data sets whose samples are judged: those that are named, or else all that have labels for certain."""
    settings = config.get("quality")
    if settings is None:
        return []
    known = config["datasets"]
    certain = [
        name for name, options in known.items() if may_have_labels(options) and not is_import_path(options["loader"])
    ]
    return [name for name in known if name in settings.get("datasets", certain)]


def judged(config: Options, cell: Cell) -> bool:
    """Whether a cell's samples are judged: where this is asked for, and the model can be sampled."""
    settings = config.get("quality")
    if settings is None or cell.seed not in settings["seeds"] or cell.dataset not in datasets(config):
        return False
    return cell.model in settings.get("models", [cell.model]) and kind_offers(cell.kind, "Samples")


def classified(config: Options) -> list[str]:
    """The data sets that have a classifier: those with a cell that is judged."""
    return list(dict.fromkeys(cell.dataset for cell in grid.cells(config) if judged(config, cell)))


def settings(config: Options) -> Options:
    """How samples are judged."""
    return {key: value for key, value in config["quality"].items() if key not in OF_THE_GRID}


def classifier_config(config: Options, dataset: str) -> Options:
    """Everything that the classifier of a data set depends on, and the controls that are judged with it."""
    found = {"base_seed": config["base_seed"], "dataset": dataset, "quality": settings(config)}
    return {**found, "device": config["device"]} if "device" in config else found


def quality_config(config: Options, cell: Cell) -> Options:
    """Everything that the quality of a cell depends on."""
    return {**grid.training_config(config, cell), "quality": settings(config)}
