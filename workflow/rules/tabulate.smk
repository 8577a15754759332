rule tabulate:
    input:
        records=[RECORDS.evaluation(cell) for cell in CELLS.values()],
        values=[cell.path(f"{RESULTS}/estimates", ".npz") for cell in CELLS.values()],
        snapshots=[RECORDS.snapshots(cell) for cell in with_snapshots()],
        certificates=[RECORDS.certification(cell) for cell in with_certificates()],
        certified_values=[cell.path(f"{RESULTS}/certificates", ".npz") for cell in with_certificates()],
        quality=quality_records(),
        data=[RECORDS.data(dataset) for dataset in CONFIG["datasets"]],
        published=ancient(local(str(HOME / "results/reference/published.csv"))),
    output:
        report(
            multiext(f"{RESULTS}/tables/", *products.TABLES),
            caption="../report/file.rst",
            category="4 Files",
        ),
        provenance=f"{RESULTS}/tables/provenance.json",
    log:
        f"{RESULTS}/logs/tabulate.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("tabulate"),
    params:
        folder=folder_of_output,
        config=grid.canonical(CONFIG),
        wanted=grid.canonical(PROVENANCE.of_records()),
        hashes=grid.canonical(PROVENANCE.of_tables()),
    message:
        "make the tables"
    shell:
        "python -m workflow.scripts.tabulate --records {input.records:q} --snapshots {input.snapshots:q}"
        " --certificates {input.certificates:q} --quality {input.quality:q} --data {input.data:q}"
        " --published {input.published:q} --config {params.config:q} --wanted {params.wanted:q}"
        " --hashes {params.hashes:q} --output-dir {params.folder:q} > {log:q} 2>&1"
