rule train:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
        samples=sample_files,
    output:
        weights=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/weights.safetensors",
        record=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/training.json",
    log:
        f"{RESULTS}/logs/train/{{dataset}}/{{model}}/{{seed}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        config=training_config,
        code=training_code,
    message:
        "train {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m workflow.scripts.train --config {params.config:q} --data {input.data:q}"
        " --weights {output.weights:q} --record {output.record:q} > {log:q} 2>&1"
