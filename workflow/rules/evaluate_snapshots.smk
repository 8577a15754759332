rule evaluate_snapshots:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
        snapshots=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/snapshots.safetensors",
        training=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/training.json",
    output:
        f"{RESULTS}/snapshots/{{dataset}}/{{model}}/{{seed}}.json",
    log:
        f"{RESULTS}/logs/evaluate_snapshots/{{dataset}}/{{model}}/{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_snapshots/{{dataset}}/{{model}}/{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("evaluate_snapshots"),
    params:
        config=snapshots_config,
        hashes=snapshots_hashes,
    message:
        "evaluate snapshots of {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m workflow.scripts.evaluate_snapshots --config {params.config:q} --hashes {params.hashes:q}"
        " --data {input.data:q} --snapshots {input.snapshots:q} --training {input.training:q} --record {output:q} > {log:q} 2>&1"
