rule train:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
        pilot=pilot_of,
    output:
        weights=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/weights.safetensors",
        snapshots=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/snapshots.safetensors",
        record=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/training.json",
    log:
        f"{RESULTS}/logs/train/{{dataset}}/{{model}}/{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{dataset}}/{{model}}/{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("train"),
    params:
        config=training_config,
        hashes=training_hashes,
    message:
        "train {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m workflow.scripts.train --config {params.config:q} --hashes {params.hashes:q} --data {input.data:q}"
        " --pilot {input.pilot:q}"
        " --weights {output.weights:q} --snapshots {output.snapshots:q} --record {output.record:q} > {log:q} 2>&1"
