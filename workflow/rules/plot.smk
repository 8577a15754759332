rule plot:
    input:
        tables=tables(),
        data=f"{RESULTS}/data/{{dataset}}.npz",
        pictures=pictures_of,
    output:
        figures_in_report(products.figures(CONFIG)),
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
    message:
        "draw the figures of {wildcards.dataset}"
    shell:
        "python -m workflow.scripts.plot --dataset {wildcards.dataset} --figures {params.figures}"
        " --tables {params.tables:q} --data {input.data:q} --pictures {input.pictures:q}"
        " --marks {params.marks:q} --hashes {params.hashes:q} --provenance {output.provenance:q} > {log:q} 2>&1"


if products.figures_of_judged(CONFIG):

    use rule plot as plot_judged with:
        output:
            figures_in_report(products.figures_of_judged(CONFIG)),
            expand(f"{RESULTS}/figures/{{{{dataset}}}}/{{name}}.png", name=products.figures_of_judged(CONFIG)),
            provenance=f"{RESULTS}/figures/{{dataset}}/judged_provenance.json",
        log:
            f"{RESULTS}/logs/plot_judged/{{dataset}}.log",
        params:
            hashes=grid.canonical(PROVENANCE.of_figures_of_judged()),
            figures=products.figures_of_judged(CONFIG),
            marks=grid.canonical(products.marks(CONFIG)),
            tables=lambda wildcards, input: str(Path(input.tables[0]).parent),
        message:
            "draw the figures of the samples of {wildcards.dataset}"
