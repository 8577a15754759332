"""The check of a configuration's section `certify`: settings that name nothing would be claims about nothing."""

from workflow.grid.cells import Options, cells, certified, lacks_simulate
from workflow.grid.refusal import check_known


def check_certify(config: Options) -> None:
    """Refuse names that no cell has, seeds of no certified model, and a section that certifies nothing.

    Raises:
        ValueError: in one line that names the key.
    """
    settings = config["certify"]
    for name in settings.get("datasets", []):
        check_known("certify.datasets", name, config["datasets"])
    everywhere = _everywhere(config)
    able = [cell for cell in cells(config) if certified(everywhere, cell) or lacks_simulate(everywhere, cell)]
    if not able:
        raise ValueError(
            "certify: none of the models can simulate data together with their latents; remove it, or add a cdae or vae"
        )
    for key in ("models", "overrides"):
        for name in settings.get(key, []):
            check_known(f"certify.{key}", name, {cell.model for cell in able})
    chosen = [cell for cell in able if cell.model in settings.get("models", [cell.model])]
    for seed in settings["seeds"]:
        if seed not in {cell.seed for cell in chosen}:
            known = ", ".join(map(str, sorted({cell.seed for cell in chosen})))
            raise ValueError(f"certify.seeds: got {seed}, expected replicates of a certified model: {known}")


def _everywhere(config: Options) -> Options:
    """The configuration with all models certified, and all replicates of them."""
    settings = {key: value for key, value in config["certify"].items() if key != "models"}
    return {**config, "certify": {**settings, "seeds": [cell.seed for cell in cells(config)]}}
