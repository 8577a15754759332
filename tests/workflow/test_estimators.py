"""An estimator has four places: its own function, its entry in the catalogue, its card, its keys in the schema.

An estimator that only certifies has its trial in the place of the first two.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from string import Formatter

import pytest
from torch import nn

from cdae import estimators
from cdae.certificates.claims import Claim
from cdae.certificates.trials import Trials
from cdae.certificates.work import Work
from cdae.data import EvaluationSet, load_evaluation_set
from cdae.estimators import catalogue
from cdae.estimators.catalogue import ESTIMATORS
from cdae.interfaces import Estimate
from workflow.grid import schema as schema_module
from workflow.grid.certificate import CertificateRow
from workflow.grid.record import EvaluationRow
from workflow.jobs.cell import CellJob
from workflow.tables import estimators as cards
from workflow.tables.estimators import CARDS

OPTIONS = {
    "cdae": {
        "n_levels": 2, "denoiser": "blind", "schedule": "geometric", "first_std": 0.25, "last_std": 4.0,
        "loss": "shrunk", "hidden_sizes": [4],
    },
    "vae": {"latent_dim": 2, "hidden_sizes": [4]},
}  # fmt: skip
CERTIFIED_WITHOUT_SETTINGS = {"exact"}


@pytest.fixture(scope="module")
def certifying(mixture_2d):
    """Names and variants of all estimators that certify a model of any kind, in two dimensions or in one."""
    plane, found = load_evaluation_set(mixture_2d), set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cdae.certificates.trials.GUIDED_UPDATES", 2)
        for data in (plane, first_coordinate(plane)):
            for kind, options in OPTIONS.items():
                found |= {(trial.name, trial.variant) for trial in trials(kind, options, data)}
    return found


def trials(kind, options, data):
    """Every trial of a small untrained model. None is run."""
    settings = {
        "n_points": 5,
        "n_simulated": 5,
        "check": {"n_points": 2, "n_repeats": 4},
        "importance_weighted": {"n_importance_samples": 2, "n_points": 5},
        "all_pairs": {"n_draws": 2, "n_repeats": 2},
        "sequential": {"n_particles": 2, "n_repeats": 2},
        "annealing": {"n_distributions": 2, "n_chains": 1, "force_precision": "highest"},
    }
    identity = {"base_seed": 1, "dataset": "d", "model": "m", "family": "m", "seed": 0}
    cell = CellJob({**identity, "options": {"kind": kind, **options}, "certify": settings})
    model: nn.Module = cell.build(data.training)
    return list(Trials(Work(settings=settings, generator=cell.generator), data.training).of(model))


def first_coordinate(data: EvaluationSet) -> EvaluationSet:
    cut = {name: getattr(data, name)[:, :1] for name in ("examples", "pixels", "validation_pixels")}
    return replace(data, **cut, training=replace(data.training, values=data.training.values[:, :1]))


def own_functions() -> list:
    """What the files of `cdae.estimators` define that yields estimates under a public name."""
    names = [found.name for found in pkgutil.iter_modules(estimators.__path__, "cdae.estimators.")]
    pairs = [(n, f) for n in names for _, f in inspect.getmembers(importlib.import_module(n), inspect.isfunction)]
    mine = [f for name, f in pairs if f.__module__ == name and not f.__name__.startswith("_")]
    return [f for f in mine if f.__annotations__.get("return") == Iterator[Estimate]]


def missing_places(certifying: set[tuple[str, str]]) -> list[str]:
    """A line for every place that an estimator does not have."""
    known = schema_module.schema()["properties"]
    evaluated, certified = (known[stage]["properties"] for stage in ("estimators", "certify"))
    certifiers = {name for name, _ in certifying}
    in_catalogue = catalogue.ESTIMATORS
    lines = []
    for function in own_functions():
        if function not in [entry.estimate for entry in in_catalogue.values()]:
            lines.append(f"{function.__name__}: no entry in cdae.estimators.catalogue.ESTIMATORS")
    for name, entry in in_catalogue.items():
        card = cards.CARDS.get(name)
        if entry.estimate not in own_functions():
            lines.append(f"{name}: its function is in no file of cdae.estimators")
        if name not in evaluated:
            lines.append(f"{name}: no settings under `estimators` in the schema")
        if card is None or not card.title or card.evaluated is None:
            lines.append(f"{name}: no card with a title and a sentence in workflow.tables.estimators.CARDS")
    for name in certifiers:
        card = cards.CARDS.get(name)
        if card is None or card.certified is None:
            lines.append(f"{name}: no card with a sentence on certificates in workflow.tables.estimators.CARDS")
        elif (card.certify_key or name) not in certified and name not in CERTIFIED_WITHOUT_SETTINGS:
            lines.append(f"{name}: no settings under `certify` in the schema")
    for name in evaluated.keys() - in_catalogue.keys():
        lines.append(f"{name}: settings under `estimators` in the schema, and no entry in the catalogue")
    for name, card in cards.CARDS.items():
        if (card.evaluated is not None and name not in in_catalogue) or (card.certified and name not in certifiers):
            lines.append(f"{name}: a card, and nothing that computes it")
    return lines


def test_every_estimator_has_its_places(certifying):
    assert missing_places(certifying) == []
    assert set(CARDS) == set(ESTIMATORS) | {name for name, _ in certifying}
    assert {"all_pairs", "sequential", "annealed", "exact", "importance_weighted"} == {name for name, _ in certifying}


def without(value: dict, *path: str) -> dict:
    """A copy of nested dictionaries without one entry."""
    first, *rest = path
    if not rest:
        return {key: entry for key, entry in value.items() if key != first}
    return value | {first: without(value[first], *rest)}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_evaluated_estimator_that_lacks_a_place_is_named(certifying, monkeypatch, name):
    with monkeypatch.context() as patch:
        function = ESTIMATORS[name].estimate
        patch.delattr(importlib.import_module(function.__module__), function.__name__)
        assert f"{name}: its function is in no file of cdae.estimators" in missing_places(certifying)
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "ESTIMATORS", without(ESTIMATORS, name))
        lines = missing_places(certifying)
        assert f"{ESTIMATORS[name].estimate.__name__}: no entry in cdae.estimators.catalogue.ESTIMATORS" in lines
        assert f"{name}: settings under `estimators` in the schema, and no entry in the catalogue" in lines
    with monkeypatch.context() as patch:
        patch.setattr(cards, "CARDS", without(CARDS, name))
        assert f"{name}: no card with a title" in "\n".join(missing_places(certifying))
    with monkeypatch.context() as patch:
        real = schema_module.schema()
        patch.setattr(schema_module, "schema", lambda: without(real, "properties", "estimators", "properties", name))
        assert missing_places(certifying) == [f"{name}: no settings under `estimators` in the schema"]
    with monkeypatch.context() as patch:
        patch.setattr(cards, "CARDS", CARDS | {name: replace(CARDS[name], title="")})
        assert f"{name}: no card with a title" in "\n".join(missing_places(certifying))


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.certified])
def test_a_certifying_estimator_that_lacks_a_place_is_named(certifying, monkeypatch, name):
    assert missing_places({(n, v) for n, v in certifying if n != name}) == [
        f"{name}: a card, and nothing that computes it"
    ]
    with monkeypatch.context() as patch:
        patch.setattr(cards, "CARDS", without(CARDS, name))
        assert f"{name}: no card with a sentence on certificates" in "\n".join(missing_places(certifying))
    if name not in CERTIFIED_WITHOUT_SETTINGS:
        with monkeypatch.context() as patch:
            real, key = schema_module.schema(), CARDS[name].certify_key or name
            patch.setattr(schema_module, "schema", lambda: without(real, "properties", "certify", "properties", key))
            assert missing_places(certifying) == [f"{name}: no settings under `certify` in the schema"]


def test_every_key_of_certify_with_settings_is_an_estimators():
    keys = {name for name, value in schema_module.schema()["properties"]["certify"]["properties"].items()
            if value.get("type") == "object" and name != "overrides"}  # fmt: skip
    of_estimators = {card.certify_key or name for name, card in CARDS.items() if card.certified} - {"exact"}
    assert keys == of_estimators | {"check"}  # which is of all of them


def test_sentences_need_no_setting_that_the_schema_does_not_require():
    known = schema_module.schema()["properties"]
    for stage, sentence, key in (("estimators", "evaluated", None), ("certify", "certified", "certify_key")):
        for name, card in CARDS.items():
            definition = known[stage]["properties"].get((key and getattr(card, key)) or name, {})
            if getattr(card, sentence) is not None:
                assert getattr(card, sentence)(dict.fromkeys(definition.get("required", []), 7))


def test_titles_and_marks_use_fields_of_rows():
    for card in CARDS.values():
        assert fields_of(card.title) <= set(EvaluationRow.__dataclass_fields__)
        for variant, mark in card.marks.items():
            row = CertificateRow if variant else EvaluationRow
            assert fields_of(mark.label) <= set(row.__dataclass_fields__)


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_marks_of_certificates_are_of_variants_that_are_computed(certifying):
    assert {(name, v) for name, card in CARDS.items() for v in card.marks if v} <= certifying


def test_an_estimator_that_competes_in_no_column_belongs_to_another_model():
    assert {name for name, card in CARDS.items() if not card.competes} == {
        name for name, entry in ESTIMATORS.items() if entry.model_suffix
    }


def test_no_bound_has_bits_per_dimension_and_every_bound_has():
    assert {name for name, card in CARDS.items() if not card.in_bits} == {
        name for name, card in CARDS.items() if card.claim is Claim.NO_BOUND
    }
