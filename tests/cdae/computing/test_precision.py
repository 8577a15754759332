"""Precision of products: allowed where the processor has it, and of bfloat16 layers what training makes of them."""

import pytest
import torch

from cdae import training
from cdae.bound import elbo
from cdae.computing.chunks import examples_at_once, passes_per_example
from cdae.computing.precision import layers, matmul_precision
from cdae.corruption import NoiseSchedule
from cdae.data import TrainingSet
from cdae.denoiser import BlindDenoiser, DataScale, mlp
from cdae.model import CDAE
from cdae.training import examples_of_a_refit, fit
from tests.helpers import seeded

DATA = torch.rand(600, 4, generator=seeded(0)) * torch.tensor([1.0, 0.2, 0.5, 0.1])


@pytest.fixture
def processor(monkeypatch):
    """Sets whether the processor is said to have bfloat16 products; torch emulates them where it has none."""

    def has(supported: bool) -> None:
        monkeypatch.setattr("cdae.computing.precision.has_bfloat16_products", lambda: supported)

    return has


def test_reduced_products_are_used_where_the_processor_has_them_and_nowhere_else(processor):
    for name in ("medium", "bfloat16"):
        for supported, expected in ((True, "medium"), (False, "highest")):
            processor(supported)
            with pytest.raises(KeyError), matmul_precision(name):
                assert torch.get_float32_matmul_precision() == expected
                raise KeyError
            assert torch.get_float32_matmul_precision() == "highest"
    processor(True)
    with matmul_precision("highest"):
        assert torch.get_float32_matmul_precision() == "highest"


def test_layers_are_in_bfloat16_if_asked_for_and_their_answer_is_not(processor):
    network, x = mlp(4, [5], 4, generator=seeded(1)), DATA[:3]
    for supported, name, dtype in [
        (True, "bfloat16", torch.bfloat16), (False, "bfloat16", torch.float32), (True, "medium", torch.float32),
    ]:  # fmt: skip
        processor(supported)
        with layers(name):
            assert network[0](x).dtype == dtype
            assert network(x).dtype == torch.float32


def cascade(k: int = 2) -> CDAE:
    scale = DataScale(torch.full((4,), 0.3), 0.2, unit_interval=True)
    denoiser = BlindDenoiser(mlp(4, [16], 4, generator=seeded(2)), scale)
    schedule = NoiseSchedule.geometric(k, 0.05, 0.5)
    return CDAE(denoiser, schedule, data_mean=DATA.mean(0), data_std=DATA.std(0))


def trained(name: str, n_updates: int) -> CDAE:
    model = cascade()
    settings = {"n_updates": n_updates, "batch_size": 100, "learning_rate": 0.01, "progress": lambda line: None}
    fit(model, TrainingSet(DATA), **settings, generator=seeded(3), matmul_precision=name)
    return model


def bound(model: CDAE) -> torch.Tensor:
    with torch.no_grad():
        return elbo(model, DATA, generator=seeded(4)).total


def test_bfloat16_trains_another_model_that_is_as_good(processor):
    """Paired over examples; a model untrained, or trained with weights copied once, is far behind."""
    processor(True)
    plain, reduced = trained("highest", 200), trained("bfloat16", 200)
    assert all(parameter.dtype == torch.float32 for parameter in reduced.parameters())
    assert not torch.equal(next(plain.parameters()), next(reduced.parameters()))
    gained, lost = bound(plain) - bound(cascade()), bound(plain) - bound(reduced)
    assert lost.mean().abs() < 0.05 * gained.mean()


def test_bfloat16_is_float32_where_the_processor_has_no_such_products(processor):
    processor(False)
    for one, other in zip(trained("highest", 10).parameters(), trained("bfloat16", 10).parameters(), strict=True):
        assert torch.equal(one, other)


def test_many_levels_have_fewer_examples_at_once_and_before_an_epoch():
    """So that neither memory nor an epoch's cost grows with k; up to 16 levels nothing changes."""
    for k, at_once, before_an_epoch in [(1, 1_000, 512), (16, 1_000, 512), (100, 160, 163), (40_000, 1, 0)]:
        model = type("Levels", (), {"n_levels": k})()
        assert (examples_at_once(model), examples_of_a_refit(model)) == (at_once, max(1, before_an_epoch))
    assert passes_per_example(object()) == 1 and passes_per_example(cascade(3)) == 3


def test_no_tensor_of_a_bound_is_larger_for_more_levels(monkeypatch):
    seen = []
    real = CDAE.denoise
    monkeypatch.setattr(CDAE, "denoise", lambda self, noisy: seen.append(len(noisy.flatten(0, 1))) or real(self, noisy))
    monkeypatch.setattr("cdae.computing.chunks.PASSES", 50)
    for k in (2, 10, 25):
        cascade(k).level_mse(DATA[:90], generator=seeded(5))
        training.fit(
            cascade(k), TrainingSet(DATA[:90]), n_updates=1, batch_size=10, learning_rate=0.01, generator=seeded(6),
            progress=lambda line: None,
        )  # fmt: skip
    assert max(seen) <= 50
