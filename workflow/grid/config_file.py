"""A configuration file, read strictly: what YAML lets pass and would be misread is refused, with its line.

Snakemake reads the file too, before any code of ours can run, and keeps the last of two equal keys. Reading it once
more costs a few milliseconds.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

LARGEST_BYTES = 1_000_000
MOST_NODES = 100_000  # also counts what an alias repeats
DEEPEST = 50
TEMPLATING = "__use_yte__"


def read(path: Path) -> dict[str, Any]:
    """The configuration in a file.

    Raises:
        ValueError: if the file is missing, too large, no UTF-8, no YAML or no mapping; if a key is there twice or is no
            text; if an alias contains itself; or if the file asks for Snakemake's templating.
    """
    node = _composed(path)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{path}: got no keys at its top level, expected those that config/README.md lists")
    _check(node, path, depth=1, inside=(), n_nodes=[0])
    return yaml.safe_load(_text(path))


def _text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{path}: got {path.stat().st_size:,} bytes, expected at most {LARGEST_BYTES:,}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: got bytes that are no UTF-8 ({error.reason}); save it as UTF-8") from error


def _composed(path: Path) -> yaml.Node | None:
    text = _text(path)
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path}{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deeply, expected at most {DEEPEST} levels") from error


def _check(node: yaml.Node, path: Path, *, depth: int, inside: tuple[int, ...], n_nodes: list[int]) -> None:
    """Refuse repeated keys, keys that are no text, and aliases that contain themselves, at every level."""
    where = f"{path}, line {node.start_mark.line + 1}"
    n_nodes[0] += 1
    if id(node) in inside:
        raise ValueError(f"{where}: an alias contains itself; write the values out")
    if depth > DEEPEST or n_nodes[0] > MOST_NODES:
        raise ValueError(f"{where}: nested too deeply, or repeated too often by aliases; write the values out")
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, path)
        children = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _check(child, path, depth=depth + 1, inside=(*inside, id(node)), n_nodes=n_nodes)


def _check_keys(node: yaml.MappingNode, path: Path) -> None:
    seen: dict[Hashable, int] = {}
    for key, _ in node.value:
        line, text = key.start_mark.line + 1, key.value
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            raise ValueError(
                f"{path}, line {line}: got the key {text if isinstance(text, str) else '(a collection)'}, which YAML "
                'reads as no text, expected a name; put it between quotes: "..."'
            )
        if text == TEMPLATING:
            raise ValueError(
                f"{path}, line {line}: got the key {TEMPLATING!r}, under which Snakemake runs Python expressions in a "
                "configuration before it can be checked; remove it, and read the file before you trust it"
            )
        if text in seen:
            raise ValueError(
                f"{path}, line {line}: the key {text!r} is in line {seen[text]} already; remove one of them"
            )
        seen[text] = line
