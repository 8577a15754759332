"""What Snakemake reads when it parses the workflow: the configuration, its cells, and hashes of code. No torch here."""
