"""What a model gets, by its methods: every estimator with "runs", or the methods that are missing.

Read from the source of the model's class, of which nothing is run. Not here: the running.
"""

from functools import cache

from baselines.own_methods import Offered, offered
from baselines.own_methods import target_of as own_target_of
from baselines.registry import target_of
from cdae.class_source import methods_of
from cdae.estimators.catalogue import ESTIMATORS
from cdae.import_path import ImportPath, is_import_path
from cdae.interfaces import Chain, Decoder, Denoises, PairsLevels, Simulates, Weighted
from cdae.own_methods import FORWARDED

EVALUATED, CERTIFIED = "evaluation", "certificate"
CERTIFICATES: dict[str, tuple[type, ...]] = {  # estimator of `cdae.certificates.trials` -> what it needs
    "importance_weighted": (Simulates, Weighted),
    "importance_weighted, from the prior": (Simulates, Decoder),
    "annealed, of a decoder": (Simulates, Decoder),
    "annealed, fitted": (Simulates, Denoises),
    "annealed, of a chain": (Simulates, Chain),
    "all_pairs": (Simulates, Denoises),
    "all_pairs, its own": (Simulates, PairsLevels),
    "sequential": (Simulates, Denoises),
}
INSTEAD = {"sample_sets": "sample or sample_sets", "simulate": "sample_x or simulate"}  # of a user's own model
RUNS = "runs"


def describe(kind: str) -> str:
    """A table of all estimators for a kind of model, or a user's own by its import path, and how it is trained.

    Raises:
        ValueError: for an unknown kind, or a class whose source cannot be found or read.
    """
    model = _model(kind)
    rows = [("estimator", "where", "runs, or what is missing"), *rows_of(model, is_own=is_import_path(kind))]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    lines = [f"{name:<{widths[0]}}  {where:<{widths[1]}}  {verdict}" for name, where, verdict in rows]
    notes = [training_of(model)]
    if "log_likelihood" in model.names:
        notes.append("log_likelihood(x, z): its object needs the attribute latent_dim, the dimensions of z ~ N(0, I)")
    return "\n".join([*lines, "", *notes, *([model.hint.strip(" ()")] if model.hint else [])])


def rows_of(model: Offered, *, is_own: bool) -> list[tuple[str, str, str]]:
    """(estimator, stage, verdict) for every estimator of either stage."""
    needed = [(name, EVALUATED, (entry.protocol,)) for name, entry in ESTIMATORS.items()]
    needed += [(name, CERTIFIED, protocols) for name, protocols in CERTIFICATES.items()]
    return [(name, stage, _verdict(model, protocols, is_own=is_own)) for name, stage, protocols in needed]


def training_of(model: Offered) -> str:
    """How a model comes to its weights, in one sentence."""
    if model.is_trainable:
        return "training: by gradients (key training), because it has loss and refit"
    if model.is_fitted:
        return "training: one call of fit_closed_form"
    return "training: none; its weights come from a file (key weights), or it is evaluated as it is built"


def methods_needed(protocol: type) -> frozenset[str]:
    """The methods that a Protocol names."""
    return methods_of(ImportPath(protocol.__module__, protocol.__name__)).names


@cache
def _model(kind: str) -> Offered:
    if is_import_path(kind):
        return offered(own_target_of(kind))
    try:
        found = methods_of(ImportPath.parse(target_of(kind)))
    except KeyError as error:
        raise ValueError(f'got {kind!r}, expected a kind of model or an import path, "my_module:MyModel"') from error
    return Offered(found.names, found.names, found.unread)


def _verdict(model: Offered, protocols: tuple[type, ...], *, is_own: bool) -> str:
    missing = sorted(frozenset().union(*map(methods_needed, protocols)) - model.names)
    if not missing:
        return RUNS
    if is_own and not {*missing} <= FORWARDED:
        return "for cascades of this suite alone"
    return "missing: " + ", ".join(INSTEAD.get(name, name) if is_own else name for name in missing)
