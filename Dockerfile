# The pinned versions with torch's build for CPUs. docs/cluster.md says how the image is built and used.
FROM python:3.11-slim

WORKDIR /benchmark
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY cdae cdae
COPY baselines baselines
COPY workflow workflow
COPY bench bench
RUN pip install --no-cache-dir --constraint constraints.txt \
        --extra-index-url https://download.pytorch.org/whl/cpu '.[slurm]'
COPY Snakefile environment.yml ./
COPY config config
COPY profiles profiles
COPY results/reference results/reference

# Results come into the folder that is mounted here.
WORKDIR /out
ENTRYPOINT ["snakemake", "--snakefile", "/benchmark/Snakefile"]
CMD ["--cores", "all"]
