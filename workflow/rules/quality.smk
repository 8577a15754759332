# A configuration without a section `quality` has none of these. One classifier per data set, shared by its models.
rule classifier:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
    output:
        weights=f"{RESULTS}/classifiers/{{dataset}}.safetensors",
        record=f"{RESULTS}/classifiers/{{dataset}}.json",
    log:
        f"{RESULTS}/logs/classifier/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/classifier/{{dataset}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("classifier"),
    params:
        config=classifier_config,
        hashes=classifier_hashes,
    message:
        "teach the classifier of {wildcards.dataset}"
    shell:
        "python -m workflow.scripts.classifier --config {params.config:q} --hashes {params.hashes:q}"
        " --data {input.data:q} --weights {output.weights:q} --record {output.record:q} > {log:q} 2>&1"


rule quality:
    input:
        data=f"{RESULTS}/data/{{dataset}}.npz",
        weights=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/weights.safetensors",
        training=f"{RESULTS}/models/{{dataset}}/{{model}}/{{seed}}/training.json",
        classifier=f"{RESULTS}/classifiers/{{dataset}}.safetensors",
        classified=f"{RESULTS}/classifiers/{{dataset}}.json",
    output:
        f"{RESULTS}/quality/{{dataset}}/{{model}}/{{seed}}.json",
    log:
        f"{RESULTS}/logs/quality/{{dataset}}/{{model}}/{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/quality/{{dataset}}/{{model}}/{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("quality"),
    params:
        config=quality_config,
        hashes=quality_hashes,
    message:
        "judge the samples of {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m workflow.scripts.quality --config {params.config:q} --hashes {params.hashes:q} --data {input.data:q}"
        " --weights {input.weights:q} --training {input.training:q} --classifier {input.classifier:q}"
        " --classified {input.classified:q} --record {output:q} > {log:q} 2>&1"
