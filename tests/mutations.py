"""Configurations with something wrong in them, drawn at random from a right one: what users and editors do to files."""

import copy
import datetime
import random
from typing import Any

Config = dict[str, Any]
Path = tuple[Any, ...]

VALUES = [
    None, True, False, 0, -1, 1, 2.0, 2.5, 1e300, 10**30, -(10**30), float("inf"), float("-inf"), float("nan"), "", "0",
    "1e3", "yes", "x" * 300, "a b", "../up", "ä", "-x", "{x}", "~", "null\n", [], {}, [[]], [None], [1, 1], [0], [-1],
    [10**9], ["a"], {"a": 1}, {"n_draws": 0}, datetime.date(2020, 1, 1), b"bytes",
]  # fmt: skip
KEYS = [
    "unknown",
    "",
    "seed",
    "n_level",
    "Kind",
    "results-dir",
    "x" * 300,
    True,
    1,
    None,
    1.5,
    datetime.date(2020, 1, 1),
]
NAMES = [
    "a b",
    "",
    "-x",
    "../x",
    "x" * 300,
    "ä",
    "cdae-k3",
    "CDAE",
    "vae-markov",
    "007",
    "NA",
    "1e3",
    "con",
    "a.b",
    "{x}",
]
FOLDERS = [
    ".",
    "/",
    "results",
    "results/reference/mine",
    "cdae",
    ".git",
    "workflow/x",
    "-x",
    "a{b}",
    "~/out",
    "x" * 300,
]


def mutated(config: Config, rng: random.Random) -> tuple[Config, Path]:
    """A copy of the configuration with one random change, and the path of keys that leads to it."""
    config = copy.deepcopy(config)
    kind = rng.choice(["delete", "replace", "replace", "replace", "rename", "add", "name", "folder", "double", "swap"])
    path = rng.choice(list(_paths(config)))
    parent, last = _at(config, path[:-1]), path[-1]
    if kind == "delete":
        del parent[last]
    elif kind == "replace":
        parent[last] = copy.deepcopy(rng.choice(VALUES))
    elif kind == "rename" and isinstance(parent, dict):
        key = rng.choice([*KEYS, str(last)[:-1], str(last) + "s"])
        parent[key] = parent.pop(last)
        path = (*path[:-1], key)
    elif kind == "add" and isinstance(parent, dict):
        key = rng.choice(KEYS)
        parent[key] = copy.deepcopy(rng.choice(VALUES))
        path = (*path[:-1], key)
    elif kind == "name":
        part, key = rng.choice(["models", "datasets"]), rng.choice(NAMES)
        config[part][key] = config[part].pop(rng.choice(list(config[part])))
        path = (part, key)
    elif kind == "folder":
        config["results_dir"], path = rng.choice(FOLDERS), ("results_dir",)
    elif kind == "double":
        parent[last] = [copy.deepcopy(parent[last]), copy.deepcopy(parent[last])]
    else:
        other = rng.choice(list(_paths(config)))
        parent[last] = copy.deepcopy(_at(config, other))
    return config, path


def _paths(value: Any, path: Path = ()) -> list[Path]:
    """The path of every value below the top."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [found for key, child in children for found in _paths(child, (*path, key))]
    return ([path] if path else []) + below


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value
