"""The benchmark: units, every workload at tiny sizes, peers that answer the same, and the files that it writes."""

import csv
import math

import numpy as np
import pytest
import torch

from bench import (
    figure,
    gaps,
    gpu,
    parzen,
    pipeline,
    products,
    report,
    sampling,
    suite,
    training,
    tutorial_annealing,
    workbench,
)
from bench.quantities import FASTER, LONGER, QUANTITIES, SHARE, SMALLER, Measured, written
from bench.timing import child_cpu_seconds, medians
from cdae.denoiser import mlp
from cdae.estimators.whitened import CascadeBase
from tests.annealing_helpers import linear_decoder
from tests.helpers import assert_mean, seeded

TINY = workbench.Sizes(
    hidden_sizes=(16, 16), batch_sizes=(16, 32), n_loop_updates=2, n_epochs=1, n_bound=20, many_levels=5, n_parzen=40,
    n_sklearn=5, n_logsumexp=20, n_gate=20, n_points=10, n_draws=2, n_annealed=2, n_distributions=3, n_chains=8,
    n_steps=2, n_products=1, n_annealed_updates=2, vae_hidden_sizes=(16, 16), n_vae_updates=40, n_simulated=6,
    n_gap_distributions=3, n_temperatures=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def bench():
    return workbench.Workbench(workbench.synthetic_images(64, 40), 1, TINY)


def test_a_ratio_and_a_share_name_their_peer_and_a_plain_figure_has_none():
    for name, quantity in QUANTITIES.items():
        assert bool(quantity.peer) == (quantity.unit in figure.MARKERS), name


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (2.345, FASTER, "2.35 times as fast"),
        (612.3, FASTER, "612 times as fast"),
        (1.1, LONGER, "1.10 times as long"),
        (15.7, SMALLER, "15.7 times smaller"),
        (0.8349, SHARE, "83% of the limit"),
        (1.27, "s", "1.27 s"),
        (None, "s", "none"),
    ],
)
def test_numbers_are_written_with_their_unit(value, unit, expected):
    assert written(value, unit) == expected


def test_tasks_take_turns_and_the_median_is_theirs():
    order, seconds = [], {"a": iter([1.0, 9.0, 2.0]), "b": iter([5.0, 4.0, 3.0])}

    def task(name):
        order.append(name)
        return next(seconds[name])

    assert medians({name: lambda name=name: task(name) for name in seconds}, 3) == {"a": 2.0, "b": 4.0}
    assert order == ["a", "b"] * 3


def test_a_child_that_fails_is_an_error(tmp_path):
    with pytest.raises(ChildProcessError, match="no such thing"):
        child_cpu_seconds(["-c", "raise SystemExit('no such thing')"], tmp_path)


IN_PROCESS = [
    "training", "free-batch", "float32", "levels", "parzen", "importance", "annealing", "annealing-tutorial", "chains",
]  # fmt: skip


@pytest.mark.parametrize("name", IN_PROCESS)
def test_every_workload_runs(bench, name):
    for key, measured in suite.WORKLOADS[name](bench).items():
        assert key in QUANTITIES and measured.note
        assert measured.value is not None and math.isfinite(measured.value) and measured.value > 0, measured


def test_the_rows_of_a_gpu_are_those_of_any_device(bench, monkeypatch):
    """Here of the processor, which says nothing of a GPU's speed, and that the work runs."""
    for name, measured in gpu.on_device(bench).items():
        assert name in gpu.NAMES and measured.value is not None and measured.value > 0.0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    monkeypatch.setattr(gpu, "on_device", lambda bench: {"gpu-parzen": Measured(0.01, str(bench.device))})
    assert gpu.workloads(bench)["gpu-parzen"] == Measured(0.01, "a card: cuda")


def test_a_job_is_measured_over_the_import_of_torch(bench, monkeypatch):
    commands = []

    def child(arguments, folder):
        commands.append(arguments[1])
        return 1.5 if "evaluate" in arguments[1] else 1.0

    monkeypatch.setattr(pipeline, "child_cpu_seconds", child)
    assert pipeline.job(bench)["job"].value == 1.5
    assert commands == [*(f"workflow.scripts.{name}" for name in ("prepare_data", "train", "evaluate")), "import torch"]


def test_the_smallest_evaluation_runs_from_nothing_every_time(tmp_path):
    arguments = pipeline.tiny_evaluation(tmp_path)
    assert pipeline.evaluation_seconds(arguments, tmp_path) > 0.0
    kept = sorted((tmp_path / pipeline.KEPT).rglob("*"))
    (tmp_path / pipeline.KEPT / "old").write_text("")
    assert pipeline.evaluation_seconds(arguments, tmp_path) > 0.0
    assert kept and sorted((tmp_path / pipeline.KEPT).rglob("*")) == kept


def test_a_finished_grid_is_made_of_empty_files(tmp_path, monkeypatch):
    summary = "output_file\tdate\nresults/a.json\t-\nresults/b/c.npz\t-\n"
    answers = {
        "--summary": summary,
        "--cores": "",
        "--dry-run": "Nothing to be done (all requested files are present).",
    }
    monkeypatch.setattr(pipeline, "said", lambda folder, *arguments: answers[arguments[0]])
    pipeline.finish(tmp_path)
    assert (tmp_path / "results/a.json").is_file() and (tmp_path / "results/b/c.npz").is_file()
    answers["--dry-run"] = "1 of 2 steps"
    with pytest.raises(AssertionError, match="1 of 2"):
        pipeline.finish(tmp_path)


def test_rows_that_cannot_be_measured_say_why(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "SECONDS", tmp_path / "none.csv")
    monkeypatch.setattr(pipeline, "BENCHMARKS", tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pipeline.second_core(bench)["grid"] == Measured(None, "not measured; run with --grid")
    assert {m.note for m in gpu.workloads(bench).values()} == {"no NVIDIA GPU here"}
    assert pipeline.memory(bench)["memory"].value is None


def test_the_largest_job_is_found(tmp_path):
    rows = "evaluate,mnist,vae,0,1.0,512.5\ntrain,mnist,cdae-k4,0,9.0,1250.0\ntrain,digits,vae,0,9.0,2000.0\n"
    (tmp_path / "seconds.csv").write_text(
        f"job,dataset,model,seed,cpu_seconds,peak_megabytes\nprobe,,,,0.1,\n{rows}", encoding="utf-8"
    )
    measured = pipeline.largest(tmp_path / "seconds.csv", "here")
    assert measured.value == 1.25 and "train cdae-k4" in measured.note


def test_every_quantity_stands_once_in_the_order_of_the_workloads():
    assert list(QUANTITIES) == [
        "training", "training-free-batch", "training-float32", "levels", "parzen-sklearn", "parzen-logsumexp",
        "importance", "annealing", "annealing-tutorial", "chains", "memory", "again", "job", "grid", *gpu.NAMES,
    ]  # fmt: skip


def test_the_peers_answer_what_we_answer():
    """Ours, logsumexp and scikit-learn, each from the same samples, within the gate."""
    samples, x = torch.rand(300, 12, generator=seeded(0)), torch.rand(40, 12, generator=seeded(1))
    ours = parzen.parzen.log_density_by_bandwidth(samples, x, bandwidths=parzen.BANDWIDTHS)
    rows = parzen.by_logsumexp(samples.double(), x.double(), parzen.BANDWIDTHS)
    assert (ours - rows).abs().max() < parzen.GATE
    for bandwidth, expected in zip(parzen.BANDWIDTHS.tolist(), rows, strict=True):
        fitted = parzen.kernel_density(bandwidth, len(samples)).fit(samples.double().numpy())
        assert torch.allclose(torch.from_numpy(fitted.score_samples(x.double().numpy())), expected, atol=1e-6)


def test_a_wrong_answer_has_no_speed():
    seconds = {"ours": 1.0, "sklearn": 700.0}
    assert parzen.gated(seconds, "sklearn", 10, 100, error=0.001).value == 700.0
    assert parzen.gated(seconds, "sklearn", 10, 100, error=0.011).value is None


def test_the_tutorials_loop_trains_the_same_model(bench):
    peer = training.loop(bench)
    before = training.bound(bench, peer.model)
    for _ in range(20):
        peer.run(len(peer.loader))
    assert training.bound(bench, peer.model) > before


def test_an_epoch_leaves_out_the_last_refit(bench):
    timed = training.Timed(bench.model(), n_epochs=1)
    x = bench.training_set.draw(generator=seeded(0))
    stds = []
    for _ in range(2):
        timed.refit(x, generator=seeded(0))
        stds.append(timed.model.reconstruction_std.clone())
        timed.model.reconstruction_std.mul_(2.0)
    assert len(timed.times) == 2 and torch.equal(stds[1], 2.0 * stds[0])


def test_a_bound_is_worse_when_it_is_by_more_than_the_seeds():
    assert not training.is_worse([100.0, 104.0], [103.0, 105.0])
    assert training.is_worse([100.0, 101.0], [103.0, 105.0])
    assert not training.is_worse([103.0, 105.0], [100.0, 101.0])


def test_the_work_of_a_training_step_is_counted():
    """Forward, and twice that backward but for the gradient with respect to the data."""
    layers = products.widths(mlp(3, [5], 7, generator=seeded(0)))
    assert layers == [(3, 5), (5, 7)]
    assert products.flop(products.forward(4, layers)) == 2 * 4 * (15 + 35)
    assert products.flop(products.update(4, layers)) == 2 * 4 * (3 * (15 + 35) - 15)


def test_the_passes_of_annealing_are_counted(bench, monkeypatch):
    """One gradient at the start and one for every rotation, of all chains; each is 2 passes."""
    counted, real, fit = [], CascadeBase.potential, sampling.CascadeFit
    n_rows = TINY.n_annealed * bench.config["certify"]["annealing"]["n_chains"]

    def potential(base, z, precision="highest"):
        counted.append((precision, z.shape[1], z.requires_grad))
        return real(base, z, precision)

    def fit_uncounted(*args, **settings):
        def fitted(x, **more):
            base = fit(*args, **settings)(x, **more)
            counted.clear()
            return base

        return fitted

    monkeypatch.setattr(CascadeBase, "potential", potential)
    monkeypatch.setattr(sampling, "CascadeFit", fit_uncounted)
    monkeypatch.setattr(sampling, "share", lambda speed, pairs, seconds, note: Measured(1.0, note))
    measured = sampling.annealed(bench)["annealing"]
    in_float32 = [call for call in counted if call == ("highest", n_rows, True)]
    passes = sampling.n_passes(TINY.n_distributions, sampling.N_ROTATIONS)
    assert passes == 2 * len(in_float32) == 2 * (1 + 2 * 4)
    assert f"{4 * n_rows} rows, {passes} passes" in measured.note


def test_a_short_training_lowers_the_loss_and_fixes_the_parameters(bench):
    model, before = bench.trained(bench.model("vae"), 40), bench.model("vae")
    x = bench.test_images(20)
    assert model.loss(x, generator=seeded(0)) < before.loss(x, generator=seeded(0))
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_tutorials_betas_are_sigmoidal():
    betas = torch.tensor(tutorial_annealing.sigmoidal_schedule(100), dtype=torch.float64)
    steps = betas.diff()
    assert betas[0] == 0.0 and betas[-1] == 1.0 and len(betas) == 101 and (steps > 0).all()
    assert torch.allclose(steps, steps.flip(0)) and steps[50] > 10 * steps[0]


def errors_of_the_tutorials(n_points, **settings):
    """Errors of both of its estimates on a linear decoder, whose density is known, in nats."""
    model, weights, bias = linear_decoder(dim=5, latent_dim=2, std=0.7)
    model = model.float()
    x, latents = model.simulate(n_points, generator=seeded(1))
    covariance = torch.from_numpy(weights @ weights.T + 0.7**2 * np.eye(5))
    exact = torch.distributions.MultivariateNormal(torch.from_numpy(bias), covariance).log_prob(x.double())
    bounds = tutorial_annealing.both_bounds(model, x, latents, **settings, generator=seeded(2))
    return [bound.double() - exact for bound in bounds]


def test_the_tutorials_weights_are_unbiased_with_a_constant_step_size(monkeypatch):
    for name, value in {"FASTER": 1.0, "SLOWER": 1.0, "FIRST_STEP_SIZE": 0.3}.items():
        monkeypatch.setattr(tutorial_annealing, name, value)
    lower, upper = errors_of_the_tutorials(2_000, n_temperatures=20, n_chains=2)
    assert_mean(lower.exp().numpy(), 1.0)
    assert_mean((-upper).exp().numpy(), 1.0)
    assert lower.mean() < -0.02 and upper.mean() > 0.02


def test_the_tutorials_trajectories_lead_back():
    model = linear_decoder(dim=5, latent_dim=2, std=0.7)[0].float()
    x, z = model.simulate(10, generator=seeded(1))
    v = torch.randn(z.shape, generator=seeded(2))
    chains = tutorial_annealing.Chains(model, x, z, generator=seeded(0))
    end, velocity = chains.leapfrog(z, v, 0.5)
    assert (end - z).abs().mean() > 0.1
    back, turned = chains.leapfrog(end, -velocity, 0.5)
    assert torch.allclose(back, z, atol=1e-4) and torch.allclose(turned, -v, atol=1e-4)


def test_more_temperatures_bring_the_tutorials_lower_bound_nearer_to_the_exact_density():
    (few, _), (many, _) = (errors_of_the_tutorials(40, n_temperatures=n, n_chains=8) for n in (5, 50))
    assert many.abs().mean() < 0.2 and many.abs().mean() < 0.5 * few.abs().mean()


def test_the_tutorials_step_size_follows_the_acceptance_rate(bench):
    chains = tutorial_annealing.Chains(
        bench.model("vae"), bench.test_images(2), torch.zeros(2, 50), generator=seeded(0)
    )
    first, factors = chains.step_size, []
    for accepted in (1.0, 0.5, 0.0):  # running averages 0.685, 0.6665 and 0.59985
        chains.adapt(accepted)
        factors.append(chains.step_size / first)
    assert factors == pytest.approx([1.02, 1.02**2, 1.02**2 * 0.98])
    for accepted, end in ((1.0, 0.5), (0.0, 1e-4)):
        for _ in range(500):
            chains.adapt(accepted)
        assert chains.step_size == end


def test_products_of_gap_and_time_are_compared():
    gaps_of = {"ours": torch.tensor([0.1, 0.3]), "peer": torch.tensor([3.0, 5.0])}
    measured = gaps.compared(gaps_of, {"ours": 2.0, "peer": 10.0}, "two points")
    assert measured.value == pytest.approx(4.0 * 10.0 / (0.2 * 2.0))
    assert "ours gap 0.2 ± 0.1 nats in 2.00 s" in measured.note and "4 ± 1 nats in 10.00 s" in measured.note
    assert measured.note.startswith("two points") and "below 0" not in measured.note


def test_a_gap_below_0_of_the_peer_counts_by_its_size_and_one_of_ours_does_not_count():
    seconds, half = {"ours": 1.0, "peer": 1.0}, torch.full((2,), 0.5)
    measured = gaps.compared({"ours": half, "peer": -half}, seconds, "")
    assert measured.value == pytest.approx(1.0) and "below 0" in measured.note
    assert gaps.compared({"ours": -half, "peer": half}, seconds, "").value is None
    assert gaps.compared({"ours": 0.0 * half, "peer": half}, seconds, "").value is None


ROWS = [
    report.Row("parzen", "parzen-sklearn", Measured(450.0, "so"), 30.0),
    report.Row("job", "job", Measured(0.8, "and so"), 60.0),
    report.Row("importance", "importance", Measured(0.9, "of much"), 0.0),
    report.Row("annealing-tutorial", "annealing-tutorial", Measured(6.0, "and less"), 0.0),
    report.Row("again", "again", Measured(1.3, "all"), 0.0),
    report.Row("grid", "grid", Measured(None, "not measured; run with --grid"), 0.0),
]


def test_files_are_written_and_an_estimate_is_read_from_them(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "probe_seconds", lambda: 0.1)
    monkeypatch.setattr(suite, "REFERENCE", tmp_path)
    assert "ten minutes" in suite.estimate(["job"], 5)
    suite.write(tmp_path, ROWS, bench.images, 5)
    assert suite.estimate(["job"], 10) == "about 2 minutes of CPU time"
    with (tmp_path / "bench.csv").open(newline="", encoding="utf-8") as file:
        assert [(row["measured"], row["unit"]) for row in csv.DictReader(file)] == [
            ("450", FASTER), ("0.8", LONGER), ("0.9", SHARE), ("6", SMALLER), ("1.3", "s"), ("", FASTER),
        ]  # fmt: skip
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "| Parzen, 11 bandwidths | scikit-learn, exact | 450 times as fast | so |" in text
    assert "| one core | none | not measured; run with --grid |" in text
    assert {"bench.svg", "bench.png", "machine.json"} <= {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("rows", "ratios", "shares"),
    [
        (
            ROWS,
            {"Parzen": (450.0, "450"), "smallest": (0.8, "0.800"), "annealing": (6.0, "6.00")},
            {"importance": (0.9, "90%")},
        ),
        (ROWS[4:], {}, {}),
    ],
)
def test_ratios_and_shares_are_drawn_on_axes_of_their_own(tmp_path, monkeypatch, rows, ratios, shares):
    drawn = []
    monkeypatch.setattr(figure, "save", lambda picture, path: drawn.append(picture))
    figure.draw(tmp_path / "bench", rows)
    drawn[0].draw_without_rendering()
    for axes, expected in zip(drawn[0].axes, (ratios, shares), strict=True):
        labels = dict(zip(axes.get_yticks(), axes.get_yticklabels(), strict=True))
        lines = [line for line in axes.lines if line.get_label() in figure.MARKERS]
        points = [point for line in lines for point in zip(*line.get_data(), strict=True)]
        numbers = {text.xy[1]: text.get_text() for text in axes.texts}
        assert {labels[y].get_text().split()[0].strip(","): (x, numbers[y]) for x, y in points} == expected
        assert axes.get_xlabel()
