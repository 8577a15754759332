# What goes on around the jobs of a run: what is held, said, watched, and made again.
import time

from workflow.grid import duration, machine, progress, watch
from workflow.grid.provenance import stale

STARTED = time.time()
HELD = []  # open files, which would be closed if nothing referred to them
WATCHES = []  # what goes on beside the jobs


def say(text):
    """Print what a terminal may not have the letters for."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


def hold_results():
    """Refuse a second run of the same grid, and a folder that cannot be written to."""
    try:
        HELD.append(machine.hold(Path(RESULTS)))
    except ValueError as error:
        sys.exit(f"results_dir: {error}")


def jobs_to_run():
    """Those of training and evaluation, with their names."""
    needed = [job for job in workflow.dag.needrun_jobs() if job.rule.name in ON_A_DEVICE]
    return {job: key(job.rule.name, job.wildcards_dict) for job in needed}


def choose_jobs_when_one_ends():
    """And not every second besides, once for every job that has ended: so Snakemake keeps a limit on the jobs that start
    in a second, which only a cluster may need. Each time it looks at the files of all jobs that wait."""
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def opening_message():
    """How long the jobs that are to run will take, from the committed run of a configuration of this name."""
    return duration.message(jobs_to_run().values(), COSTS, workflow.cores)


def begin_to_watch():
    """From now on say how far the run is, and keep a page of the cells that are done."""
    n_cores = workflow.cores if workflow.local_exec else None
    run = progress.Run(Path(RESULTS), jobs_to_run(), workflow.dag.finished, COSTS, n_cores)
    WATCHES.append(watch.Watch(run.duties(say, HOME, grid.canonical([CONFIG, PROVENANCE.of_records()]))))


def end_watch():
    """The page stays after a failure, unless there are tables of the whole run."""
    for started in WATCHES:
        started.end()
    if tables_are_made():
        drop_page()


def drop_page():
    Path(RESULTS, progress.PAGE).unlink(missing_ok=True)


def tables_are_made():
    """Whether this run has made them."""
    summary = Path(f"{RESULTS}/tables/summary.md")
    return summary.is_file() and summary.stat().st_mtime >= STARTED - 1.0


def closing_message():
    """The table that this run has made, if it has made one."""
    summary = Path(f"{RESULTS}/tables/summary.md")
    where = f"tables: {RESULTS}/tables   figures: {RESULTS}/figures"
    if not tables_are_made():
        return "done; no tables were made by this run"
    return f"\n{summary.read_text(encoding='utf-8')}\n{where}"


OF_THE_WHOLE = tuple(f"{RESULTS}/{name}" for name in ("tables/", "figures/", "report/", "verdict.txt"))


def to_make_again(targets):
    """What is stale; but where files of cells alone are asked for, not what is made of all cells."""
    found = stale(PROVENANCE.of_everything())
    of_cells = [target.startswith(f"{RESULTS}/") and not target.startswith(OF_THE_WHOLE) for target in targets]
    return {path for path in found if not (of_cells and all(of_cells) and path.startswith(OF_THE_WHOLE))}


# Results that other code or another configuration made are made again, also where Snakemake has forgotten how they
# were made, or was told not to look. It sets what is forced after it has read this file, so that is added to on its way.
class ForcingStale(type(workflow)):
    def __setattr__(self, name, value):
        if name == "dag_settings" and self.is_main_process:
            value.forcerun = {*value.forcerun, *to_make_again(value.targets)}
        super().__setattr__(name, value)


workflow.__class__ = ForcingStale
