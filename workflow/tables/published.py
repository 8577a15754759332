"""What others have published on the data sets of a run, with the protocol and the source of every figure.

They stand on a page of their own, since they belong to other models and other protocols.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from workflow.tables.markup import Section

METRICS = {
    "parzen": "Parzen",
    "kde": "kernel density estimate",
    "ais": "annealed importance sampling",
    "iwae_bound": "IWAE bound",
    "log_likelihood": "log-likelihood",
    "negative_log_likelihood": "negative log-likelihood",
    "bits_per_dim": "bits per dimension",
}
MARKS = {"S": "primary text or code", "S2": "quoted by a second source"}
NOTE = (
    "What others have published on these data sets, with the protocol and the source of every figure. Not comparable "
    "with our rows unless the protocols agree; an empty source says that only a second source could be traced."
)


def read(path: Path) -> pd.DataFrame:
    """The committed csv of published figures."""
    return pd.read_csv(path)


def sections(published: pd.DataFrame, loaders: dict[str, str]) -> Iterator[Section]:
    """Published figures on the data sets of a run, by what they are and not by what the user calls them.

    Args:
        loaders: by data set; the name of a loader differs from the published name of its data by capitals and by what
            stands between words.
    """
    named = published["dataset"].map(_letters)
    for dataset, loader in loaders.items():
        rows = published[named == _letters(loader)]
        if len(rows):
            yield Section(dataset, _published(rows))


def _letters(name: str) -> str:
    """Small letters and digits of a name."""
    return "".join(character for character in name.lower() if character.isalnum())


def _published(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per figure, with its protocol and its source."""
    relation = rows["relation"].map({"=": "", "<=": "≤ ", ">=": "≥ "})
    error = [f" ± {e:g}" if pd.notna(e) else "" for e in rows["standard_error"]]
    source = rows[["source_authors", "year", "table"]].astype(object).where(rows["source_authors"].notna(), "")
    return pd.DataFrame(
        {
            "Model": rows["model"],
            "Value": relation + rows["value"].map("{:g}".format) + error,
            "What": rows["metric"].map(METRICS),
            "Protocol": rows["protocol"],
            "Source": [", ".join(_source_parts(row)) for row in source.itertuples(index=False)],
            "Read in": rows["mark"].map(MARKS),
        }
    )


def _source_parts(row: tuple) -> list[str]:
    return [f"{part:g}" if isinstance(part, float) else part for part in row if part == part and part != ""]
