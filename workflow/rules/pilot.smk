# One per data set, shared by all models whose levels it chooses; a configuration without such models has none.
rule pilot:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
    output:
        record=f"{RESULTS}/pilot/{{dataset}}.json",
        errors=f"{RESULTS}/pilot/{{dataset}}.npz",
    log:
        f"{RESULTS}/logs/pilot/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pilot/{{dataset}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("pilot"),
    params:
        config=pilot_config,
        hashes=pilot_hashes,
    message:
        "fly the pilot of {wildcards.dataset}"
    shell:
        "python -m workflow.scripts.pilot --config {params.config:q} --hashes {params.hashes:q} --data {input.data:q}"
        " --errors {output.errors:q} --record {output.record:q} > {log:q} 2>&1"
