"""What the jobs of one cell share: its device, its untrained model, and its random numbers by purpose."""

from typing import Any


def device(config: dict[str, Any]) -> Any:
    """Where the cell's tensors live."""
    from cdae.computing.device import choose

    return choose(config.get("device", "cpu"))


def generator(config: dict[str, Any], purpose: str) -> Any:
    """Random numbers of one purpose of a cell, on its device."""
    from cdae.computing.seeds import generator_from

    return generator_from(*_identity(config), purpose, device=device(config))


def build(config: dict[str, Any], training_set: Any) -> Any:
    """The untrained model, on the processor, where its parameters start the same for every device."""
    import torch

    from baselines.registry import model_class
    from cdae.computing.seeds import generator_from

    options, initialisation = config["options"], generator_from(*_identity(config), "initialisation")
    on_processor = training_set.to(torch.device("cpu"))
    return model_class(options["kind"]).build(options, on_processor, generator=initialisation)


def _identity(config: dict[str, Any]) -> tuple[Any, ...]:
    return config["base_seed"], config["dataset"], config["model"], config["seed"]


def subset_seed(config: dict[str, Any]) -> int:
    """Of the random subset of test examples that all models of a data set share."""
    from cdae.computing.seeds import seed_from

    return seed_from(config["base_seed"], config["dataset"], "test subset")
