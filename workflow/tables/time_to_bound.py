"""The table of CPU time of training to reach a bound, from bounds on the way through training and the costs of jobs.

    cpu_seconds     of n of N updates: (n / N) (t - t_0), with t of the whole training job and t_0 of one that trains
                    nothing: the quickest control of the data set, which loads the same data. Without controls it is
                    not known. It is a mean over seeds, and its error is that of their spread
    common bound    the smallest bound that a model of the data set has at its end, so that all have reached it
    first to reach  the first snapshot at or above it

The pipeline looks at a job's clock every half second, and after the first quarter of a minute every 30 seconds, so the
time of a long job is too short by up to as much. Times are those of one machine. So this table is written with a
reference and is no table of a run, and nothing is compared with it. A larger bound is no better model.
Learning rates fall until the last update: a run planned to be shorter has the larger bound after as many updates.
"""

from collections.abc import Mapping

import pandas as pd

from workflow.grid.costs import Cost, Job
from workflow.grid.record import OK
from workflow.tables.identity import table

BOUND = "lower_bound"
MODEL = ["dataset", "model", "kind", "n_levels"]
COLUMNS = [
    *MODEL, "n_updates", "n_seeds", "cpu_seconds", "cpu_seconds_standard_error", "mean_nats", "standard_error_nats",
    "seed_std_nats", "common_bound_nats", "first_to_reach",
]  # fmt: skip


def time_to_bound(snapshots: pd.DataFrame, long: pd.DataFrame, costs: Mapping[Job, Cost]) -> pd.DataFrame:
    """One row per model and number of updates, over the seeds that have a bound.

    Args:
        snapshots: bounds on the way and at the end, the table of this name.
        long: the table `log_likelihood`, which names the controls.
    """
    bounds = snapshots[(snapshots["estimator"] == BOUND) & (snapshots["status"] == OK)]
    known = _with_seconds(bounds, long[long["kind"] == "control"], costs)
    rows = []
    for keys, seeds in known.groupby([*MODEL, "n_updates"], dropna=False, sort=False):
        means = seeds[["cpu_seconds", "mean_nats", "standard_error_nats"]].mean().to_dict()
        counted = {"n_seeds": len(seeds), "cpu_seconds_standard_error": seeds["cpu_seconds"].sem()}
        counted |= {"seed_std_nats": seeds["mean_nats"].std(ddof=1)}
        rows.append(dict(zip([*MODEL, "n_updates"], keys, strict=True)) | means | counted)
    return _with_common_bound(table(rows, COLUMNS).sort_values([*MODEL, "n_updates"], kind="stable"))


def _with_seconds(bounds: pd.DataFrame, controls: pd.DataFrame, costs: Mapping[Job, Cost]) -> pd.DataFrame:
    """The bounds with the CPU seconds until then; unknown where no job or no control of the data set is known."""
    trained = [(*job[1:], cost.cpu_seconds) for job, cost in costs.items() if job[0] == "train"]
    jobs = pd.DataFrame(trained, columns=["dataset", "name", "seed", "seconds"]).astype({"seed": "Int64"})
    of_controls = jobs.merge(controls.assign(name=_names(controls))[["dataset", "name", "seed"]].drop_duplicates())
    idle = of_controls.groupby(["dataset", "name"])["seconds"].mean().groupby("dataset").min()
    found = bounds.assign(name=_names(bounds)).merge(jobs, on=["dataset", "name", "seed"], how="left")
    last = found.groupby(["dataset", "name", "seed"])["n_updates"].transform("max")
    found["cpu_seconds"] = (found["n_updates"] / last).astype(float) * (found["seconds"] - found["dataset"].map(idle))
    return found


def _names(rows: pd.DataFrame) -> list[str]:
    """Of models, as jobs have them."""
    levels = rows["n_levels"].astype("Int64")
    return [m if pd.isna(k) else f"{m}-k{k}" for m, k in zip(rows["model"], levels, strict=True)]


def _with_common_bound(rows: pd.DataFrame) -> pd.DataFrame:
    """Every model's first row at or above the bound that all models of its data set have at their end."""
    ends = rows.drop_duplicates(MODEL, keep="last").groupby("dataset")["mean_nats"].min()
    rows["common_bound_nats"] = rows["dataset"].map(ends)
    reached = rows["mean_nats"] >= rows["common_bound_nats"]
    first = rows[reached].drop_duplicates(MODEL).index
    return rows.assign(first_to_reach=rows.index.isin(first)).reset_index(drop=True)
