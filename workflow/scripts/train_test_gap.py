"""The table of what every model scores on training examples beside the test split, by its bound or its exact density.

The gap is the mean on training examples minus the mean on the test split; the two are independent draws of points, so
their standard errors add in squares. A row needs both: a cell whose estimate failed has none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = [
    "dataset", "model", "kind", "n_levels", "seed", "estimator", "n_train_points", "train_nats",
    "train_standard_error_nats", "n_test_points", "test_nats", "test_standard_error_nats", "gap_nats",
    "gap_standard_error_nats",
]  # fmt: skip
WHOLE_NUMBERS = ["n_levels", "n_train_points", "n_test_points"]


def train_test_gap(records: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per cell and estimator that was computed on training examples and on the whole test split, in nats."""
    rows = [row for record in records for row in _rows(record)]
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(WHOLE_NUMBERS, "Int64"))


def _rows(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    trained = record["training_examples"]
    for row in record["rows"]:
        if row["estimator"] in trained and row["status"] == "ok":
            train = trained[row["estimator"]]
            errors = train["standard_error_nats"], row["standard_error_nats"]
            found = {
                **record,
                **row,
                "n_train_points": train["n_points"],
                "train_nats": train["mean_nats"],
                "train_standard_error_nats": errors[0],
                "n_test_points": row["n_points"],
                "test_nats": row["mean_nats"],
                "test_standard_error_nats": errors[1],
                "gap_nats": train["mean_nats"] - row["mean_nats"],
                "gap_standard_error_nats": float(np.hypot(*errors)),
            }
            yield {name: found[name] for name in COLUMNS}
