# A user's own file is no input: its contents decide, which are in the hashes, and its date does not.
rule prepare_data:
    output:
        data=f"{RESULTS}/data/{{dataset}}.npz",
        record=f"{RESULTS}/data/{{dataset}}.json",
    log:
        f"{RESULTS}/logs/prepare_data/{{dataset}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("prepare_data"),
    params:
        loader=loader_of,
        options=loader_options,
        hashes=data_hashes,
    message:
        "prepare {wildcards.dataset}"
    shell:
        "python -m workflow.scripts.prepare_data --name {wildcards.dataset} --loader {params.loader:q}"
        " --options {params.options:q} --hashes {params.hashes:q} --output {output.data:q} --record {output.record:q}"
        " > {log:q} 2>&1"
