rule tabulate:
    input:
        records=records(".json"),
        values=records(".npz"),
        snapshots=snapshot_records(),
        certificates=certificates(".json"),
        certified_values=certificates(".npz"),
        published="results/reference/published.csv",
    output:
        report(
            multiext(f"{RESULTS}/tables/", *products.TABLES),
            category="Tables",
        ),
    log:
        f"{RESULTS}/logs/tabulate.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=code_sha256("workflow.scripts.tabulate", []),
        folder=folder_of_output,
        config=grid.canonical(config),
    message:
        "make the tables"
    shell:
        "python -m workflow.scripts.tabulate --records {input.records:q} --snapshots {input.snapshots:q}"
        " --certificates {input.certificates:q}"
        " --published {input.published:q} --config {params.config:q} --output-dir {params.folder:q}"
        " > {log:q} 2>&1"
