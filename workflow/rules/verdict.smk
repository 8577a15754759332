rule verdict:
    input:
        records=records(".json"),
        training=training_records(),
        certificates=certificates(".json"),
        made=[*tables(), *figures()],
    output:
        f"{RESULTS}/verdict.txt",
    log:
        f"{RESULTS}/logs/verdict.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=code_sha256("workflow.scripts.verdict", []),
        config_files=workflow.overwrite_configfiles,
    message:
        "check that no cell failed"
    shell:
        "python -m workflow.scripts.verdict --records {input.records:q} --training-records {input.training:q}"
        " --certificates {input.certificates:q}"
        " --config-files {params.config_files:q} --output {output:q} > {log:q} 2>&1"
