# Entry of the pipeline: configuration, stages in order, targets. README.md says how to run it.
from snakemake.utils import min_version

min_version("9.27")

if not workflow.overwrite_configfiles:  # a configuration is complete in itself: never merge the default into another

    configfile: f"{workflow.basedir}/config/config.yaml"


# Built from the Dockerfile by whoever wants it (docs/cluster.md); used with --software-deployment-method apptainer alone.
container: "cdae-benchmark.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/run.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/pilot.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/certify.smk"
include: "workflow/rules/evaluate_snapshots.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/tabulate.smk"
include: "workflow/rules/plot.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/verdict.smk"


report: "workflow/report/start.rst"


rule all:
    default_target: True
    input:
        [RECORDS.evaluation(cell) for cell in CELLS.values()],
        [RECORDS.snapshots(cell) for cell in with_snapshots()],
        tables(),
        figures(),
        f"{RESULTS}/verdict.txt",


onstart:
    hold_results()
    choose_jobs_when_one_ends()
    say(opening_message())
    begin_to_watch()


onsuccess:
    end_watch()
    drop_page()
    say(closing_message())


onerror:
    end_watch()
