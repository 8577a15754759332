"""The model classes by their kinds in the configuration: kind -> "module:class", imported on use.

Every class has `build(options, training_set, *, generator)`, which builds an untrained model. Its other methods decide
how it is trained, if at all (`Trainable`, `Fitted`), and which estimators run on it (`cdae.interfaces`). A kind with a
colon is the import path of a user's own model, which `OWN_MODEL` makes such a class of.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

MODELS = {
    "bernoulli-cdae": "baselines.bit_flips:BitFlipCDAE",
    "bernoulli-vae": "baselines.bernoulli_vae:BernoulliVAE",
    "cdae": "cdae.model:CDAE",
    "dae": "baselines.dae:DAE",
    "diffusion": "baselines.diffusion:Diffusion",
    "vae": "baselines.vae:VAE",
    "samples": "baselines.samples:SampleFile",
    "control-bernoulli": "baselines.bernoulli_controls:BernoulliControl",
    "control-gaussian": "baselines.controls:GaussianControl",
    "control-k-means": "baselines.k_means:KMeansControl",
    "control-mixture": "baselines.mixture:MixtureControl",
    "control-ppca": "baselines.controls:PPCAControl",
    "control-training-samples": "baselines.controls:TrainingSamplesControl",
}
# Of black and white images, whose likelihoods are those of discrete data; all others have densities of real values.
OF_BINARY_IMAGES = frozenset({"bernoulli-cdae", "bernoulli-vae", "control-bernoulli"})
OWN_MODEL = "baselines.own:own_model"
# The schedules whose levels are chosen on a pilot's errors: name -> "module:function", which only their cells import.
PILOTED = {"optimal": "cdae.optimal_schedule:choose"}


def target_of(kind: str) -> str:
    """The "module:name" in this suite that a kind of model leads to.

    Raises:
        KeyError: for an unknown kind; the configuration's schema refuses it earlier.
    """
    return OWN_MODEL if ":" in kind else MODELS[kind]


def piloted(options: dict[str, Any]) -> str | None:
    """The "module:name" that chooses the levels of a model from a pilot, by the model's options; None for others."""
    schedule = options.get("schedule")
    return PILOTED.get(schedule) if isinstance(schedule, str) else None


def chooser(target: str) -> Callable[..., Any]:
    """Import and return what a value of `PILOTED` names."""
    module, name = target.split(":")
    return getattr(import_module(module), name)


def model_class(kind: str) -> type:
    """Import and return the class of a model kind.

    Raises:
        KeyError: for an unknown kind; the configuration's schema refuses it earlier.
    """
    module, name = target_of(kind).split(":")
    found = getattr(import_module(module), name)
    return found(kind) if ":" in kind else found
