"""The check of what a user brings by an import path: models, their options and weights, and data sets.

The user's code is read and not run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from baselines.own_methods import WEIGHTS, Offered, offered
from cdae.class_source import OF_TORCH_MODULES, check_bound, class_of, literal
from cdae.import_path import ImportPath
from workflow.grid.cells import Options
from workflow.grid.methods import kind_offers
from workflow.grid.refusal import check_against

USABLE = ("Tractable", "Bounded", "Weighted", "Samples")  # Protocols, of which an evaluation needs one
METHODS = (
    "log_prob; infer with bound_terms or log_weights; log_likelihood with sample_x; simulate; sample; or sample_sets"
)


def check_own_model(where: str, options: Options, *, is_certified: bool) -> None:
    """Raise ValueError unless a user's model can be found, offers something, and is given what it needs.

    Args:
        where: the model's path of keys.
        is_certified: whether certificates are asked for, so that a decoder alone has a row that says what it lacks.
    """
    usable = (*USABLE, "Decoder") if is_certified else USABLE
    with named(f"{where}.kind"):
        target = ImportPath.parse(options["kind"])
        model = offered(target)
        if not any(kind_offers(options["kind"], protocol) for protocol in usable):
            raise ValueError(f"got {str(target)!r}, which has {_known(model)}, expected {METHODS}; add one{model.hint}")
    _check_origin(where, options, model)
    if "weights" in options:
        _check_weights(f"{where}.weights", options["weights"])
    check_options(f"{where}.options", options.get("options", {}), target)


def check_own_loader(where: str, options: Options) -> None:
    """Raise ValueError unless a user's data set can be found in its source, and its options fit.

    Args:
        where: the data set's path of keys.
    """
    with named(f"{where}.loader"):
        target = ImportPath.parse(options["loader"])
        check_bound(target)
    if _is_class(target):
        check_options(f"{where}.options", options.get("options", {}), target)


def _is_class(target: ImportPath) -> bool:
    """Whether a class can be read there; of a function that gives a data set nothing is asked."""
    try:
        class_of(target)
    except (RecursionError, ValueError):
        return False
    return True


@contextmanager
def named(where: str) -> Iterator[None]:
    """Errors begin with a path of keys."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _known(model: Offered) -> str:
    written = sorted(name for name in model.written - OF_TORCH_MODULES if not name.startswith("_"))
    return f"the methods {', '.join(written)}" if written else "no methods"


def _check_origin(where: str, options: Options, model: Offered) -> None:
    """A model that can be trained is trained here, or was trained elsewhere."""
    if "weights" in options and "training" in options:
        raise ValueError(f"{where}.training: got it beside weights, expected one of both; remove the other")
    if "training" in options and not model.is_trainable:
        missing = sorted({"loss", "refit"} - model.names)
        raise ValueError(
            f"{where}.training: got it for a model without {' and '.join(missing)}, expected both methods; add them, "
            f"or remove training{model.hint}"
        )
    if model.is_trainable and "weights" not in options and "training" not in options:
        raise ValueError(
            f"{where}: got neither training nor weights for a model with loss and refit, expected one of both; add "
            "training to train it here, or weights of a model that is trained already"
        )


def _check_weights(where: str, path: str) -> None:
    if not path.endswith(WEIGHTS) or not Path(path).is_file():
        raise ValueError(f"{where}: got {path!r}, expected an existing file that ends in {' or '.join(WEIGHTS)}")


def check_options(where: str, options: Options, target: ImportPath) -> None:
    """Raise ValueError unless options fit the `options_schema` that the class has written out, if it has one."""
    with named(where):
        against: Any = literal(class_of(target), "options_schema")
    if against is None:
        return
    try:
        Draft202012Validator.check_schema(against)
        check_against(options, against, f"{where}.")
    except ValueError:
        raise
    except Exception as error:  # a schema may be wrong in many ways, of which jsonschema names some
        what = " ".join(str(error).split())[:200]
        raise ValueError(f"{where}: options_schema of {target} is no JSON schema ({what}); correct it") from error
