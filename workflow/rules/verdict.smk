rule verdict:
    input:
        records=[RECORDS.evaluation(cell) for cell in CELLS.values()],
        training=[RECORDS.training(cell) for cell in CELLS.values()],
        certificates=[RECORDS.certification(cell) for cell in with_certificates()],
        snapshots=[RECORDS.snapshots(cell) for cell in with_snapshots()],
        quality=quality_records(),
        made=[*tables(), *figures(), RECORDS.report()],
    output:
        f"{RESULTS}/verdict.txt",
    log:
        f"{RESULTS}/logs/verdict.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("verdict"),
    params:
        arguments=grid.canonical(retry_arguments()),
    message:
        "check that no cell failed"
    shell:
        "python -m workflow.scripts.verdict --records {input.records:q} --training-records {input.training:q}"
        " --certificates {input.certificates:q} --snapshots {input.snapshots:q} --quality {input.quality:q}"
        " --arguments {params.arguments:q} --output {output:q} > {log:q} 2>&1"
