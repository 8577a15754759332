"""Which class a configuration means: kind -> "module:class", imported on use.

Every class has `build(options, training_set, *, generator)`, which makes an untrained model; what else it offers
decides how it is trained, if at all (`Trainable`, `Fitted`), and which estimators run on it (`cdae.interfaces`).
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
    module, name = MODELS[kind].split(":")
    return getattr(import_module(module), name)
