# Pages of the report: Snakemake's own lists files, and these can be read. `make report` puts all into one file.
rule pages:
    input:
        tables=tables(),
        figures=figures(),
    output:
        pages_in_report(),
        provenance=RECORDS.report(),
    log:
        f"{RESULTS}/logs/pages.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("pages"),
    params:
        hashes=grid.canonical(PROVENANCE.of_report()),
        tables=lambda wildcards, input: str(Path(input.tables[0]).parent),
        figures=lambda wildcards, input: str(Path(input.figures[0]).parents[1]),
        captions=HOME / "workflow/report",
    message:
        "write the pages of the report"
    shell:
        "python -m workflow.scripts.report --tables {params.tables:q} --figures {params.figures:q}"
        " --captions {params.captions:q} --hashes {params.hashes:q} --provenance {output.provenance:q} > {log:q} 2>&1"
