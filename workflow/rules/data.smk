rule prepare_data:
    input:
        user_files,
    output:
        f"{RESULTS}/data/{{dataset}}.npz",
    log:
        f"{RESULTS}/logs/prepare_data/{{dataset}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        loader=loader_of,
        options=loader_options,
        code=data_code,
    message:
        "prepare {wildcards.dataset}"
    shell:
        "python -m workflow.scripts.prepare_data --name {wildcards.dataset} --loader {params.loader}"
        " --options {params.options:q} --output {output:q} > {log:q} 2>&1"
