"""Cascading Denoising Auto-Encoders, and the likelihood estimators that all models of this benchmark share."""

from importlib import import_module

FORWARDED = {"certify": "cdae.certification", "evaluate": "cdae.evaluation"}  # function -> its module, imported on use
__all__ = ["certify", "evaluate"]


def __getattr__(name: str) -> object:
    """The functions for models in memory, so that `import cdae` stays cheap and no job's code depends on them."""
    if name in FORWARDED:
        return getattr(import_module(FORWARDED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *FORWARDED})
