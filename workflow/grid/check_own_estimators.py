"""The check of users' own estimators: that they can be found, say what they are, and run on a model of the grid.

The user's code is read and not run.
"""

import re

from workflow.grid.cells import Options
from workflow.grid.check_own import check_options, named
from workflow.grid.methods import methods_of_kind
from workflow.grid.own_estimators import OwnEstimator, is_own, methods_needed, read
from workflow.grid.schema import schema

RESERVED = ("all", "all_pairs", "annealed", "levels", "sequential")  # names that rows of tables have already
TITLES = ("Exact", "IW-", "Lower bound", "Model", "Parzen", "Tightest (gap)", "Train - test")  # of other columns


def own_settings(config: Options) -> dict[str, Options]:
    """The settings of users' own estimators by name."""
    settings = config.get("estimators")
    return {name: own for name, own in settings.items() if is_own(own)} if isinstance(settings, dict) else {}


def without_own_estimators(config: Options) -> Options:
    """The configuration as the schema describes it."""
    own = own_settings(config)
    known = schema()["properties"]["estimators"]["properties"]
    names = [name for name in own if name not in known]
    if not names:
        return config
    return {**config, "estimators": {name: s for name, s in config["estimators"].items() if name not in names}}


def check_own_estimators(config: Options) -> None:
    """Raise ValueError unless every estimator of a user can be found, is described, and runs on a model."""
    titles: dict[str, str] = {}
    for name, settings in own_settings(config).items():
        where = f"estimators.{name}"
        _check_name(where, name)
        with named(f"{where}.kind"):
            own = read(settings["kind"])
            _check_title(own, titles)
        titles[own.title] = where
        check_options(f"{where}.options", settings.get("options", {}), own.target)
        with named(f"{where}.options"):
            own.sentence_with(settings.get("options", {}))
        _check_use(where, own, config)


def _check_name(where: str, name: str) -> None:
    pattern = schema()["$defs"]["name"]["pattern"]
    if not re.search(pattern, name) or name in RESERVED:
        raise ValueError(
            f"{where}: got the name {name[:60]!r}, expected letters, digits, _ and -, and none of "
            f"{', '.join(RESERVED)}; rename it"
        )


def _check_title(own: OwnEstimator, titles: dict[str, str]) -> None:
    if own.title.startswith(TITLES) or own.title in titles:
        whose = titles.get(own.title, "the suite's own columns")
        raise ValueError(f"got the title {own.title!r}, which is that of {whose}, expected another; reword it")


def _check_use(where: str, own: OwnEstimator, config: Options) -> None:
    """An estimator that runs on no model would be missing without a word."""
    kinds = {name: options["kind"] for name, options in config["models"].items()}
    if any(own.runs_on(kind) for kind in kinds.values()):
        return
    needed = methods_needed(own.protocols)
    missing = {name: sorted(needed - methods_of_kind(kind)) for name, kind in kinds.items()}
    name = min(missing, key=lambda name: len(missing[name]))
    raise ValueError(
        f"{where}: runs on none of the models, because it needs {' and '.join(own.protocols)}; {name!r} comes closest "
        f"and lacks {', '.join(missing[name])}; add a model that has the methods, or remove the estimator"
    )
