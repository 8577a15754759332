rule evaluate:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
        weights=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/weights.safetensors",
        training=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/training.json",
    output:
        record=f"{RESULTS}/estimates/{{dataset}}/{{model}}/{{seed}}.json",
        values=f"{RESULTS}/estimates/{{dataset}}/{{model}}/{{seed}}.npz",
        pictures=f"{RESULTS}/pictures/{{dataset}}/{{model}}/{{seed}}.npz",
    log:
        f"{RESULTS}/logs/evaluate/{{dataset}}/{{model}}/{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{dataset}}/{{model}}/{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("evaluate"),
    params:
        config=evaluation_config,
        hashes=evaluation_hashes,
        kept=f"{RESULTS}/kept/{{dataset}}/{{model}}/{{seed}}",
    message:
        "evaluate {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m workflow.scripts.evaluate --config {params.config:q} --hashes {params.hashes:q}"
        " --data {input.data:q} --weights {input.weights:q} --training {input.training:q} --record {output.record:q}"
        " --values {output.values:q} --pictures {output.pictures:q}"
        " --kept {params.kept:q} > {log:q} 2>&1"
