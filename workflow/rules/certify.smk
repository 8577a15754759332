# A rule of its own, so that editing a cheap estimator never repeats it. What was finished of an interrupted job is kept
# beside its record; its progress is in the log.
rule certify:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
        weights=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/weights.safetensors",
        training=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/training.json",
    output:
        record=f"{RESULTS}/certificates/{{dataset}}/{{model}}/{{seed}}.json",
        values=f"{RESULTS}/certificates/{{dataset}}/{{model}}/{{seed}}.npz",
    log:
        f"{RESULTS}/logs/certify/{{dataset}}/{{model}}/{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/certify/{{dataset}}/{{model}}/{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("certify"),
    params:
        config=certification_config,
        hashes=certification_hashes,
    message:
        "certify {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m workflow.scripts.certify --config {params.config:q} --hashes {params.hashes:q}"
        " --data {input.data:q} --weights {input.weights:q} --training {input.training:q} --record {output.record:q}"
        " --values {output.values:q} > {log:q} 2>&1"
