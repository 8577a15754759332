"""What a user's own model offers: which methods it has, read from its source.

Not here: what follows from them (`cdae.own_methods`). Imports no torch, because the pipeline asks before anything runs.
"""

from dataclasses import dataclass

from cdae.class_source import methods_of
from cdae.import_path import ImportPath
from cdae.own_methods import usable

OWN = "own-"  # what the kind of a user's model begins with inside the suite, as all controls' kinds begin alike
TRAINING = frozenset({"fit_closed_form", "loss", "refit"})  # not asked of a model that has its weights from a file
WEIGHTS = (".safetensors", ".pt", ".pth")  # what a file of weights may end in


@dataclass(frozen=True)
class Offered:
    """Methods of a user's model.

    Attributes:
        written: those of the user's class, of which only some matter.
        names: those that the suite may call.
        unread: base classes whose source was not found, which may have more.
    """

    written: frozenset[str]
    names: frozenset[str]
    unread: frozenset[str]

    @property
    def is_trainable(self) -> bool:
        return {"loss", "refit"} <= self.names

    @property
    def is_fitted(self) -> bool:
        return "fit_closed_form" in self.names

    @property
    def hint(self) -> str:
        """What to know where a method seems to be missing."""
        if not self.unread:
            return ""
        bases = ", ".join(sorted(self.unread))
        return f" (the source of its base {bases} was not found, so methods there do not count)"


def target_of(kind: str) -> ImportPath:
    """The import path in a model's kind, as users write it or as jobs know it.

    Raises:
        ValueError: for a text of another form.
    """
    return ImportPath.parse(kind.removeprefix(OWN))


def offered(target: ImportPath) -> Offered:
    """What a model by import path offers.

    Raises:
        ValueError: if its source cannot be found or read.
    """
    found = methods_of(target)
    return Offered(found.names, usable(found.names), found.unread)
