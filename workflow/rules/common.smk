# The checked configuration, the grid, and the paths and parameters that rules share.
import fcntl
import shlex
import sys
from pathlib import Path

from baselines.registry import MODELS
from cdae.datasets.registry import LOADERS
from workflow.grid import cells as grid
from workflow.grid import duration, products
from workflow.grid.check import check
from workflow.grid.code_hash import code_sha256

if len(workflow.overwrite_configfiles) > 1:
    sys.exit("config: got several --configfile, expected one: a configuration is complete in itself")
try:
    check(config)
except ValueError as error:
    sys.exit(f"config: {error}")

# Jobs use the python that runs snakemake, also where its environment was not activated; and glibc keeps freed memory
# for the next tensor, where it would return it to the system and fault it in again (a quarter of the CPU time). Arrays
# of whole data sets are returned: kept, they would leave holes that double the memory of a job.
shell.prefix(
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    " MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=32000000; "
)

RESULTS = config["results_dir"].rstrip("/")
CELLS = {(cell.dataset, cell.model, str(cell.seed)): cell for cell in grid.cells(config)}
HELD = []  # open files, which would be closed if nothing referred to them


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    model="[A-Za-z0-9_-]+",
    seed="[0-9]+",


def cell_of(wildcards):
    return CELLS[wildcards.dataset, wildcards.model, wildcards.seed]


def user_files(wildcards):
    """The user's own file of a data set, so that editing it runs the data set's cells again."""
    return [path for key, path in grid.dataset_options(config, wildcards.dataset).items() if key == "path"]


def sample_files(wildcards):
    """The user's own file of samples that a cell reads."""
    options = config["models"][cell_of(wildcards).family]
    return [options["path"]] if options["kind"] == "samples" else []


def loader_of(wildcards):
    return config["datasets"][wildcards.dataset]["loader"]


def loader_options(wildcards):
    return grid.canonical(grid.dataset_options(config, wildcards.dataset))


def training_config(wildcards):
    return grid.canonical(grid.training_config(config, cell_of(wildcards)))


def evaluation_config(wildcards):
    return grid.canonical(grid.evaluation_config(config, cell_of(wildcards)))


def certification_config(wildcards):
    return grid.canonical(grid.certification_config(config, cell_of(wildcards)))


def data_code(wildcards):
    return code_sha256("workflow.scripts.prepare_data", [LOADERS[loader_of(wildcards)]])


def training_code(wildcards):
    return code_sha256("workflow.scripts.train", [MODELS[cell_of(wildcards).kind]])


def evaluation_code(wildcards):
    return code_sha256("workflow.scripts.evaluate", [MODELS[cell_of(wildcards).kind]])


def snapshots_code(wildcards):
    return code_sha256("workflow.scripts.evaluate_snapshots", [MODELS[cell_of(wildcards).kind]])


def certification_code(wildcards):
    return code_sha256("workflow.scripts.certify", [MODELS[cell_of(wildcards).kind]])


def row_hashes(wildcards, job_config, job_code):
    """The hashes that stand in every row: of the configuration and of all code that the numbers depend on."""
    code = [data_code(wildcards), training_code(wildcards), job_code(wildcards)]
    config_hash = grid.config_sha256(config, cell_of(wildcards), job_config)
    return grid.canonical({"config_sha256": config_hash, "code_sha256": grid.sha256(code)})


def evaluation_hashes(wildcards):
    return row_hashes(wildcards, grid.evaluation_config, evaluation_code)


def certification_hashes(wildcards):
    return row_hashes(wildcards, grid.certification_config, certification_code)


def records(suffix):
    """One file of every cell's evaluation, in the order of the grid."""
    return [cell.path(f"{RESULTS}/estimates", suffix) for cell in CELLS.values()]


def snapshot_records():
    """One file of every cell that keeps snapshots of its training."""
    kept = [cell for cell in CELLS.values() if grid.snapshots(config, cell)]
    return [cell.path(f"{RESULTS}/snapshots", ".json") for cell in kept]


def certificates(suffix):
    """One file of every cell that is certified."""
    certified = [cell for cell in CELLS.values() if grid.certified(config, cell)]
    return [cell.path(f"{RESULTS}/certificates", suffix) for cell in certified]


def training_records():
    return [f"{cell.path(f'{RESULTS}/models', '')}/training.json" for cell in CELLS.values()]


def tables():
    return [f"{RESULTS}/tables/{name}" for name in products.TABLES]


def figure_names():
    targets = {MODELS[cell.kind] for cell in CELLS.values()}
    return products.figures(
        targets, has_snapshots=bool(snapshot_records()), has_certificates=bool(certificates(".json"))
    )


def figures():
    return [
        f"{RESULTS}/figures/{dataset}/{name}.{suffix}"
        for dataset in config["datasets"]
        for name in figure_names()
        for suffix in ("svg", "png")
    ]


def pictures_of(wildcards):
    """What the figures of a data set show: the pictures kept by its cells of the first seed of each model."""
    first = {}
    for cell in CELLS.values():
        if cell.dataset == wildcards.dataset:
            first.setdefault(cell.model, cell)
    return [cell.path(f"{RESULTS}/pictures", ".npz") for cell in first.values()]


def folder_of_output(wildcards, output):
    return str(Path(output[0]).parent)


def hold_results():
    """Refuse a second run of the same grid. The system lets go of the file however this run ends, also by kill -9."""
    Path(RESULTS).mkdir(parents=True, exist_ok=True)
    HELD.append(file := open(f"{RESULTS}/.held", "w"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"results_dir: another run is writing to {RESULTS}; wait until it has ended")


def opening_message():
    """How long the jobs that are to run will take, from the committed run of a configuration of this name."""
    jobs = [
        (job.rule.name, job.wildcards.dataset, job.wildcards.model, job.wildcards.seed)
        for job in workflow.dag.needrun_jobs()
        if job.rule.name in ("train", "evaluate", "evaluate_snapshots", "certify")
    ]
    committed = Path("results/reference") / Path(RESULTS).name / "seconds.csv"
    return duration.message(jobs, committed, workflow.cores)


def closing_message():
    summary = Path(f"{RESULTS}/tables/summary.md")
    where = f"tables: {RESULTS}/tables   figures: {RESULTS}/figures"
    return f"\n{summary.read_text(encoding='utf-8')}\n{where}" if summary.is_file() else where
