"""Closures say what a cell depends on, and hashes over them which cells run again."""

import pytest

from baselines.registry import MODELS, OF_BINARY_IMAGES
from workflow.grid import code_hash


def test_a_closure_follows_functions_and_leaves_registries_to_the_cell():
    names = code_hash.import_closure(["workflow.scripts.train"])
    assert {"cdae.training", "cdae.checkpoint", "baselines.registry"} <= set(names)
    assert not any(name in names for name in ("cdae.model", "baselines.vae", "baselines.dae"))


def test_the_code_hash_depends_on_the_closure_of_the_models_own_kind(monkeypatch):
    kinds = ["cdae", "vae", "dae"]
    before = {kind: code_hash.code_sha256("workflow.scripts.train", (MODELS[kind],)) for kind in kinds}
    real = code_hash._source
    edited = lambda module: real(module) + (b"# edited" if module == "baselines.vae" else b"")  # noqa: E731
    monkeypatch.setattr(code_hash, "_source", edited)
    code_hash.code_sha256.cache_clear()
    after = {kind: code_hash.code_sha256("workflow.scripts.train", (MODELS[kind],)) for kind in kinds}
    assert [kind for kind in kinds if before[kind] != after[kind]] == ["vae"]


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    """Hashes are kept for a process, in which sources do not change; here they do."""
    code_hash.code_sha256.cache_clear()
    yield
    code_hash.code_sha256.cache_clear()


EVERY_KIND, CASCADES = set(MODELS), {"cdae", "diffusion"}
JOBS = ("train", "evaluate", "evaluate_snapshots", "certify")


def rerun_by(edited, monkeypatch):
    """Which jobs of which kinds of models have another hash once a file is edited: job -> kinds."""
    hashes = []
    real = code_hash._source
    for source in (real, lambda module: real(module) + (b"# edited" if module == edited else b"")):
        monkeypatch.setattr(code_hash, "_source", source)
        code_hash.code_sha256.cache_clear()
        hashes.append({
            (job, kind): code_hash.code_sha256(f"workflow.scripts.{job}", (target,))
            for job in JOBS for kind, target in MODELS.items()
        })  # fmt: skip
    before, after = hashes
    changed = {key for key in before if before[key] != after[key]}
    return {job: kinds for job in JOBS if (kinds := {kind for j, kind in changed if j == job})}


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("baselines.vae", {job: {"vae"} for job in JOBS}),
        ("baselines.gaussian_code", {job: {"vae", "bernoulli-vae"} for job in JOBS}),
        ("baselines.bit_flips", {job: {"bernoulli-cdae"} for job in JOBS}),
        ("cdae.bernoulli", {job: OF_BINARY_IMAGES for job in JOBS}),
        ("baselines.dae", {job: {"dae"} for job in JOBS}),
        ("baselines.diffusion", {job: {"diffusion"} for job in JOBS}),
        # the cascade's own losses and bounds lie in the closure of its training too, and of what is made of its parts
        (
            "cdae.bound",
            {"train": CASCADES, "evaluate": EVERY_KIND, "evaluate_snapshots": EVERY_KIND, "certify": CASCADES},
        ),
        ("cdae.estimators.parzen", {"evaluate": EVERY_KIND, "evaluate_snapshots": EVERY_KIND}),
        ("cdae.estimators.rotation", {"certify": EVERY_KIND}),
        ("cdae.training", {"train": EVERY_KIND}),
        ("cdae.certificates.trials", {"certify": EVERY_KIND}),
        ("workflow.jobs.pictures", {"evaluate": EVERY_KIND, "evaluate_snapshots": EVERY_KIND}),
        ("workflow.grid.record", dict.fromkeys(JOBS, EVERY_KIND)),
        ("cdae.certificates.measured", {"certify": EVERY_KIND}),
        ("cdae.certificates.claims", {}),
        ("cdae.certificates.surpassed", {}),
        ("workflow.tables.estimators", {}),
        ("workflow.figures.samples", {}),
        ("baselines.registry", {}),
    ],
)
def test_editing_a_file_runs_the_jobs_that_depend_on_it_again_and_no_other(module, jobs, monkeypatch):
    assert rerun_by(module, monkeypatch) == jobs


@pytest.mark.parametrize(
    "entry", ["workflow.scripts.evaluate", "workflow.scripts.evaluate_snapshots", "workflow.scripts.certify"]
)
def test_what_is_only_said_of_an_estimator_is_in_the_closure_of_no_job(entry):
    """Rewording a title evaluates nothing again."""
    names = code_hash.import_closure([entry, *(target.split(":")[0] for target in MODELS.values())])
    assert not any(name.startswith(("workflow.tables", "workflow.figures")) for name in names)
    assert "workflow.grid.record" in names and "cdae.bound" in names


def test_the_cheap_estimators_are_not_in_the_closure_of_a_certificate():
    names = code_hash.import_closure(["workflow.scripts.certify"])
    assert not {"cdae.estimators.catalogue", "cdae.estimators.estimates", "cdae.estimators.parzen"} & set(names)


def test_a_module_that_is_not_there_has_no_file():
    assert code_hash.module_file("cdae.nothing") is None
    assert code_hash.module_file("cdae.estimators").name == "__init__.py"


def test_of_a_package_only_the_docstring_counts(tmp_path, monkeypatch):
    """What it forwards to users is in no job's closure, and rewording it runs nothing again."""
    for text, expected in (('"""What."""\nB = 1\n', b'"""What."""\n'), ('"""Two\nlines."""\n', b'"""Two\nlines."""\n')):
        (tmp_path / "__init__.py").write_text(text)
        code_hash._source.cache_clear()
        monkeypatch.setattr(code_hash, "module_file", lambda module: tmp_path / "__init__.py")
        assert code_hash._source("anything") == expected
    code_hash._source.cache_clear()


@pytest.mark.parametrize("job", JOBS)
def test_the_functions_for_models_in_memory_are_in_the_closure_of_no_job(job):
    names = code_hash.import_closure([f"workflow.scripts.{job}", *(target.split(":")[0] for target in MODELS.values())])
    assert "cdae" in names and not {"cdae.certification", "cdae.evaluation", "cdae.in_memory"} & {*names}
