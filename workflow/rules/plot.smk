rule plot:
    input:
        tables=tables(),
        data=f"{RESULTS}/data/{{dataset}}.npz",
        pictures=pictures_of,
    output:
        report(
            expand(f"{RESULTS}/figures/{{{{dataset}}}}/{{name}}.svg", name=products.figures(CONFIG)),
            category="Figures",
            subcategory="{dataset}",
        ),
        expand(f"{RESULTS}/figures/{{{{dataset}}}}/{{name}}.png", name=products.figures(CONFIG)),
        provenance=f"{RESULTS}/figures/{{dataset}}/provenance.json",
    log:
        f"{RESULTS}/logs/plot/{{dataset}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **asks("plot"),
    params:
        hashes=grid.canonical(PROVENANCE.of_figures()),
        figures=products.figures(CONFIG),
        marks=grid.canonical(products.marks(CONFIG)),
        tables=lambda wildcards, input: str(Path(input.tables[0]).parent),
        folder=folder_of_output,
    message:
        "draw the figures of {wildcards.dataset}"
    shell:
        "python -m workflow.scripts.plot --dataset {wildcards.dataset} --figures {params.figures}"
        " --tables {params.tables:q} --data {input.data:q} --pictures {input.pictures:q}"
        " --marks {params.marks:q} --hashes {params.hashes:q} --output-dir {params.folder:q} > {log:q} 2>&1"
