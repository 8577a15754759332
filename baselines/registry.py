"""The model classes by their kinds in the configuration: kind -> "module:class", imported on use.

Every class has `build(options, training_set, *, generator)`, which builds an untrained model. Its other methods decide
how it is trained, if at all (`Trainable`, `Fitted`), and which estimators run on it (`cdae.interfaces`).
"""

from importlib import import_module

MODELS = {
    "cdae": "cdae.model:CDAE",
    "dae": "baselines.dae:DAE",
    "vae": "baselines.vae:VAE",
    "samples": "baselines.samples:SampleFile",
    "control-gaussian": "baselines.controls:GaussianControl",
    "control-k-means": "baselines.k_means:KMeansControl",
    "control-mixture": "baselines.mixture:MixtureControl",
    "control-ppca": "baselines.controls:PPCAControl",
    "control-training-samples": "baselines.controls:TrainingSamplesControl",
}


def model_class(kind: str) -> type:
    """Import and return the class of a model kind.

    Raises:
        KeyError: for an unknown kind; the configuration's schema refuses it earlier.
    """
    module, name = MODELS[kind].split(":")
    return getattr(import_module(module), name)
