"""The check of a configuration's section `quality`: it judges something, and every name in it means something."""

from workflow.grid.cells import Cell, Options, cells
from workflow.grid.check_schedule import check_ends
from workflow.grid.methods import kind_offers
from workflow.grid.quality import datasets, may_have_labels
from workflow.grid.refusal import check_known


def check_quality(config: Options) -> None:
    """Refuse data sets without labels, models that cannot be sampled, and seeds that no cell has.

    Raises:
        ValueError: in one line that names the key.
    """
    settings = config["quality"]
    for name in settings.get("datasets", []):
        check_known("quality.datasets", name, config["datasets"])
        if not may_have_labels(config["datasets"][name]):
            raise ValueError(
                f"quality.datasets: got {name!r}, which has no labels, expected a data set with a class for every "
                "example; remove it"
            )
    if "snapshots" in settings["classifier"]["training"]:
        raise ValueError("quality.classifier.training.snapshots: got it, expected none of a classifier; remove it")
    if "denoising" in settings:
        check_ends("quality.denoising", settings["denoising"], "")
    named = datasets(config)
    if not named:
        raise ValueError(
            "quality: none of the data sets has labels, which a classifier is trained on; remove it, or add a data set "
            "with labels"
        )
    able = [cell for cell in cells(config) if cell.dataset in named and kind_offers(cell.kind, "Samples")]
    if not able:
        raise ValueError(f"quality: none of the models on {', '.join(named)} can be sampled; remove it, or add one")
    _check_models_and_seeds(settings, able)


def _check_models_and_seeds(settings: Options, able: list[Cell]) -> None:
    for name in settings.get("models", []):
        check_known("quality.models", name, {cell.model for cell in able})
    chosen = [cell for cell in able if cell.model in settings.get("models", [cell.model])]
    for seed in settings["seeds"]:
        if seed not in {cell.seed for cell in chosen}:
            known = ", ".join(map(str, sorted({cell.seed for cell in chosen})))
            raise ValueError(f"quality.seeds: got {seed}, expected replicates of a model that is judged: {known}")
