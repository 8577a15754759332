# The checked configuration, the grid, and the paths and parameters that rules share.
import os
import shlex
import sys
from pathlib import Path

HOME = Path(workflow.basedir)  # the project, from wherever it is run
if str(HOME) not in sys.path:
    sys.path.insert(0, str(HOME))

from workflow.grid import cells as grid
from workflow.grid import config_file, costs, products, quality, resources
from workflow.grid.check import checked
from workflow.grid.provenance import Provenance, Records

if len(workflow.overwrite_configfiles) > 1:
    sys.exit("config: got several --configfile, expected one: a configuration is complete in itself")
try:
    for file in workflow.overwrite_configfiles or [HOME / "config/config.yaml"]:
        config_file.read(Path(file))
    CONFIG = checked(config)
except ValueError as error:
    sys.exit(f"config: {error}")

# Jobs use the project's own modules, and the python that runs snakemake, also where its environment was not activated,
# unless conda or a container brings another;
# and glibc keeps freed memory for the next tensor, where it would return it to the system and fault it in again (a
# quarter of the CPU time). Arrays of whole data sets are returned: kept, they would leave holes that double the memory
# of a job.
DEPLOYED = bool(workflow.deployment_settings.deployment_method)
shell.prefix(
    f"export PATH={'' if DEPLOYED else shlex.quote(str(Path(sys.executable).parent)) + ':'}$PATH"
    f" PYTHONPATH={shlex.quote(':'.join(filter(None, [str(HOME), os.getenv('PYTHONPATH')])))}"
    " MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=32000000; "
)

# Jobs elsewhere see it as this process does.
workflow.register_envvars(*{"CDAE_DATA_ROOT"}.intersection(os.environ))

RESULTS = CONFIG["results_dir"]
CELLS = {(cell.dataset, cell.model, str(cell.seed)): cell for cell in grid.cells(CONFIG)}
PROVENANCE = Provenance(CONFIG)
RECORDS = Records(RESULTS)
COSTS = costs.read(HOME / "results/reference" / Path(RESULTS).name / "seconds.csv")
ON_A_DEVICE = ("pilot", "train", "evaluate", "evaluate_snapshots", "certify", "classifier", "quality")


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    model="[A-Za-z0-9_-]+",
    seed="[0-9]+",


def cell_of(wildcards):
    return CELLS[wildcards.dataset, wildcards.model, wildcards.seed]


def key(rule, wildcards):
    """A job as the committed costs name it."""
    return (rule, *(wildcards.get(name, "") for name in ("dataset", "model", "seed")))


def asks(rule):
    """The resources of a rule: what the same job took in the committed run, and a GPU where one is asked for."""

    def asked(wildcards, attempt):
        return resources.asked(key(rule, wildcards), COSTS, attempt)

    gpus = {"gpu": 1} if CONFIG.get("device") == "cuda" and rule in ON_A_DEVICE else {}
    return {
        "mem_mb": lambda wildcards, attempt: asked(wildcards, attempt).mem_mb,
        "runtime": lambda wildcards, attempt: asked(wildcards, attempt).runtime,
        "disk_mb": resources.DISK_MEGABYTES,
        **gpus,
    }


def loader_of(wildcards):
    return CONFIG["datasets"][wildcards.dataset]["loader"]


def loader_options(wildcards):
    return grid.canonical(grid.dataset_options(CONFIG, wildcards.dataset))


def training_config(wildcards):
    return grid.canonical(grid.training_config(CONFIG, cell_of(wildcards)))


def evaluation_config(wildcards):
    return grid.canonical(grid.evaluation_config(CONFIG, cell_of(wildcards)))


def snapshots_config(wildcards):
    return grid.canonical(grid.snapshots_config(CONFIG, cell_of(wildcards)))


def certification_config(wildcards):
    return grid.canonical(grid.certification_config(CONFIG, cell_of(wildcards)))


def pilot_config(wildcards):
    return grid.canonical(grid.pilot_config(CONFIG, wildcards.dataset))


def classifier_config(wildcards):
    return grid.canonical(quality.classifier_config(CONFIG, wildcards.dataset))


def quality_config(wildcards):
    return grid.canonical(quality.quality_config(CONFIG, cell_of(wildcards)))


def data_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_data(wildcards.dataset))


def pilot_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_pilot(wildcards.dataset))


def training_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_training(cell_of(wildcards)))


def evaluation_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_evaluation(cell_of(wildcards)))


def snapshots_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_snapshots(cell_of(wildcards)))


def certification_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_certification(cell_of(wildcards)))


def classifier_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_classifier(wildcards.dataset))


def quality_hashes(wildcards):
    return grid.canonical(PROVENANCE.of_quality(cell_of(wildcards)))


def pilot_of(wildcards):
    """The record and the errors of the pilot that chooses a cell's levels; nothing for a cell with another schedule."""
    if not grid.needs_pilot(CONFIG, cell_of(wildcards)):
        return []
    return [RECORDS.pilot(wildcards.dataset), f"{RESULTS}/pilot/{wildcards.dataset}.npz"]


def with_snapshots():
    return [cell for cell in CELLS.values() if grid.snapshots(CONFIG, cell)]


def with_certificates():
    return [cell for cell in CELLS.values() if grid.certified(CONFIG, cell)]


def quality_records():
    """Of every classifier, with its controls, and of every cell that is judged."""
    judged = [cell for cell in CELLS.values() if quality.judged(CONFIG, cell)]
    return [RECORDS.classifier(name) for name in quality.classified(CONFIG)] + [
        RECORDS.quality(cell) for cell in judged
    ]


def tables():
    return [f"{RESULTS}/tables/{name}" for name in products.TABLES]


def figures():
    return [
        f"{RESULTS}/figures/{dataset}/{name}.{suffix}"
        for dataset in CONFIG["datasets"]
        for name in products.figures_of(CONFIG, dataset)
        for suffix in ("svg", "png")
    ]


def in_report(path, caption, **place):
    return report(path, caption=f"../report/{caption}.rst", **place)


def figures_in_report(names):
    """The figures of a data set, each with its caption, in reading order."""
    return [
        in_report(
            f"{RESULTS}/figures/{{dataset}}/{name}.svg",
            name,
            category="2 Figures",
            subcategory="{dataset}",
            labels={"Figure": products.place(name, products.FIGURES)},
        )
        for name in names
    ]


def pages_in_report():
    """The start text, the findings, and a page for every table, in reading order."""
    return [
        in_report(
            f"{RESULTS}/report/{name}.html",
            products.caption(name),
            category="1 Findings" if name in products.TEXTS else "3 Tables",
            labels={"Page": products.place(name, products.PAGES)},
        )
        for name in products.PAGES
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


def retry_arguments():
    """What the command that tries failed cells again must say as this one did."""
    files = [os.path.relpath(path) for path in workflow.overwrite_configfiles]
    given = [f"{key}={value}" for key, value in workflow.config_settings.config.items()]
    elsewhere = ["--snakefile", str(HOME / "Snakefile")] if Path.cwd() != HOME else []
    return [*elsewhere, *(["--configfile", *files] if files else []), *(["--config", *given] if given else [])]
