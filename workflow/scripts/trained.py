"""The model of one cell, as the jobs after its training need it: built, and its random numbers by purpose."""

from typing import Any


def generator(config: dict[str, Any], purpose: str) -> Any:
    """Random numbers of one purpose of a cell."""
    from cdae.seeds import generator_from

    return generator_from(config["base_seed"], config["dataset"], config["model"], config["seed"], purpose)


def build(config: dict[str, Any], training_set: Any) -> Any:
    """The untrained model."""
    from baselines.registry import model_class

    options = config["options"]
    return model_class(options["kind"]).build(options, training_set, generator=generator(config, "initialisation"))


def subset_seed(config: dict[str, Any]) -> int:
    """Of the random subset of test examples that all models of a data set share."""
    from cdae.seeds import seed_from

    return seed_from(config["base_seed"], config["dataset"], "test subset")
