"""A user's own estimator as its class describes it: which models it runs on, and what may be claimed of its numbers.

Read from the source of the class, of which nothing is run. All is written out in the class itself:

    protocol   the Protocol of `cdae.interfaces` that it needs of a model, or several
    claim      the most that is claimed of its numbers
    title      its column in the summary
    sentence   how it works, for the protocol of the tables; {name} stands for an option
    in_bits    whether bits per dimension mean anything; if not given, for all but "no bound"
    mark       {"label": ..., "color": ...} in the figure of cascades by levels; if not given, it is not drawn there

Not here: the running (`cdae.estimators.own`), and the card that tables make of it (`workflow.tables.own_cards`).
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter
from typing import Any

from cdae.certificates.claims import Claim
from cdae.class_source import class_of, literal, methods_of
from cdae.import_path import ImportPath
from workflow.grid.methods import kind_offers, methods_of_protocol

PROTOCOLS = (
    *("Bounded", "Cascade", "Chained", "Decoder", "Denoises", "Layered", "Samples", "Simulates", "Tractable"),
    "Weighted",
)  # of `cdae.interfaces`, whose methods say what an evaluation can ask of a model
CLAIMS = (Claim.EXACT, Claim.LOWER_BOUND, Claim.STOCHASTIC, Claim.NO_BOUND)
LONGEST_TITLE, LONGEST_SENTENCE, N_COLORS = 40, 300, 8
SPECIAL = r"[|`*{}\n\r\\$#~^]"  # what pages would not show as it is written
Settings = dict[str, Any]


@dataclass(frozen=True)
class OwnEstimator:
    """What the class of an estimator says of itself.

    Attributes:
        target: its import path.
        protocols: names of the Protocols that it needs of a model, all of them.
        mark: label and color of its curve; None for none.
    """

    target: ImportPath
    protocols: tuple[str, ...]
    claim: Claim
    title: str
    sentence: str
    in_bits: bool
    mark: tuple[str, int] | None

    @property
    def is_held_to_exact(self) -> bool:
        """Whether a mean above the exact log density of the data shows that it is wrong."""
        return self.claim is not Claim.NO_BOUND

    def runs_on(self, model_kind: str) -> bool:
        """Whether the models of a kind have the methods of all of its Protocols."""
        return all(kind_offers(model_kind, protocol) for protocol in self.protocols)

    def sentence_with(self, options: Settings) -> str:
        """The sentence with the options in it.

        Raises:
            ValueError: if it names an option that is not given, or writes it in a form that it does not have.
        """
        fields = {name for _, name, _, _ in Formatter().parse(self.sentence) if name is not None}
        if missing := sorted(fields - options.keys()):
            raise ValueError(
                f"{self.target}: got a sentence with {{{missing[0]}}} and no such option, expected an option; give it "
                "under options, or take it out of the sentence"
            )
        return self.sentence.format(**options)


def methods_needed(protocols: tuple[str, ...]) -> frozenset[str]:
    """The methods that several Protocols ask for together."""
    return frozenset().union(*map(methods_of_protocol, protocols))


def is_own(settings: Settings) -> bool:
    """Whether settings under `estimators` are those of a user's own."""
    return isinstance(settings, dict) and "kind" in settings


def own_estimators(settings: dict[str, Settings], model_kind: str | None = None) -> Iterator[tuple[str, OwnEstimator]]:
    """The users' own estimators of a configuration by name, or those of them that run on a kind of model."""
    for name, own in settings.items():
        if is_own(own):
            found = read(own["kind"])
            if model_kind is None or found.runs_on(model_kind):
                yield name, found


def read(kind: str) -> OwnEstimator:
    """What the class of an import path says.

    Raises:
        ValueError: in one line, if the class is not found, has no method `estimate`, or lacks an attribute.
    """
    target = ImportPath.parse(kind)
    known = methods_of(target)
    if "estimate" not in known.names:
        methods = ", ".join(sorted(name for name in known.names if not name.startswith("_"))) or "none"
        raise ValueError(
            f"got {kind!r} with the methods {methods}, expected estimate(model, data, *, generator), which returns a "
            "value per example of data; add it"
        )
    definition = class_of(target)
    written = {name: literal(definition, name) for name in ("protocol", "claim", "title", "sentence", "mark")}
    in_bits, claim = literal(definition, "in_bits"), _claim(kind, written["claim"])
    return OwnEstimator(
        target,
        _protocols(kind, written["protocol"]),
        claim,
        _line(kind, "title", written["title"], LONGEST_TITLE, SPECIAL),
        _sentence(kind, written["sentence"]),
        claim is not Claim.NO_BOUND if in_bits is None else bool(in_bits),
        None if written["mark"] is None else _mark(kind, written["mark"]),
    )


def _protocols(kind: str, value: Any) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, tuple | list) else (value,)
    for name in names or (None,):
        if name not in PROTOCOLS:
            guess = difflib.get_close_matches(str(name), PROTOCOLS, n=1)
            hint = f"did you mean {guess[0]!r}?" if guess else 'write protocol = "Samples", say, in the class'
            raise ValueError(f"{_got(kind, 'protocol', name)}, expected one or more of {', '.join(PROTOCOLS)}; {hint}")
    return names


def _claim(kind: str, value: Any) -> Claim:
    if value not in CLAIMS:
        raise ValueError(
            f"{_got(kind, 'claim', value)}, expected one of {', '.join(map(repr, map(str, CLAIMS)))}; claim no more "
            "than holds"
        )
    return Claim(value)


def _line(kind: str, name: str, value: Any, longest: int, special: str) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest or re.search(special, value):
        raise ValueError(
            f"{_got(kind, name, value)}, expected one line of plain text of at most {longest} characters; write "
            f'{name} = "..." in the class'
        )
    return value.strip()


def _sentence(kind: str, value: Any) -> str:
    sentence = _line(kind, "sentence", value, LONGEST_SENTENCE, r"[|`*\n\r\\]")
    try:
        fields = [name for _, name, _, _ in Formatter().parse(sentence) if name is not None]
    except ValueError as error:
        raise ValueError(f"{_got(kind, 'sentence', value)}, expected braces in pairs ({error}); close them") from error
    if not all(name.isidentifier() for name in fields):
        raise ValueError(f"{_got(kind, 'sentence', value)}, expected only {{names}} of options in braces; correct it")
    return sentence


def _mark(kind: str, value: Any) -> tuple[str, int]:
    color = value.get("color") if isinstance(value, dict) else None
    if not isinstance(value, dict) or set(value) != {"label", "color"} or color not in range(N_COLORS):
        raise ValueError(
            f"{_got(kind, 'mark', value)}, expected {{'label': text, 'color': 0 to {N_COLORS - 1}}}; correct it, or "
            "remove it for no curve"
        )
    return _line(kind, "label", value["label"], LONGEST_TITLE, SPECIAL), color


def _got(kind: str, name: str, value: Any) -> str:
    return f"got {kind!r} without {name}" if value is None else f"got {kind!r} with {name} {value!r}"
