"""Levels or continuous: what is evident is seen, and honest data of either sort are never refused."""

import numpy as np
import pytest

from cdae.datasets import levels
from cdae.datasets.levels import evidence_of_fewer_levels, evidence_of_levels, notable_repetition
from tests.helpers import mutated

RNG = np.random.default_rng(0)
GOOD = RNG.integers(0, 256, (205, 12), dtype=np.uint8)
GAMMA = np.unique((255 * (np.arange(40) / 39) ** 2.2).astype(np.uint8))  # uneven levels

FEWER = {
    "0 and 1": (GOOD // 128, "only 2 distinct values in 0 .. 1, .*; set n_intensity_levels: 2; if other values"),
    "0 and 255": (GOOD // 128 * 255, "save images // 255 as uint8 and set n_intensity_levels: 2;"),
    "two in the middle": (100 + GOOD // 128 * 9, r"save \(images - 100\) // 9 as uint8 and set n_intensity_levels: 2;"),
    "digits": (GOOD % 17, "; set n_intensity_levels: 17;"),
    "16 of 4 bits": (GOOD // 16, "; set n_intensity_levels: 16;"),
    "16 spread out": (GOOD // 16 * 17, "save images // 17 as uint8 and set n_intensity_levels: 16;"),
    "16 from above zero": (GOOD // 16 + 50, r"save \(images - 50\) as uint8 and set n_intensity_levels: 16;"),
    "odd numbers": (GOOD // 2 * 2 + 1, r"save \(images - 1\) // 2 as uint8 and set n_intensity_levels: 128;"),
    "17 rounded": (np.rint((GOOD % 17) * (255 / 16)).astype(np.uint8), "save their ranks, .* n_intensity_levels: 17;"),
    "a gamma curve": (GAMMA[GOOD % len(GAMMA)], f"save their ranks, .* n_intensity_levels: {len(GAMMA)};"),
}


@pytest.mark.parametrize("name", FEWER)
def test_evidently_fewer_levels_are_seen_with_what_to_write(name):
    images, message = FEWER[name]
    with pytest.raises(AssertionError, match=message):  # of the regular expression alone
        raise AssertionError(evidence_of_fewer_levels(images))


def test_what_is_to_be_written_is_right():
    """The expressions of the messages, evaluated: levels 0 .. L-1."""
    for images, message in FEWER.values():
        found = evidence_of_fewer_levels(images)
        written = found.split("; ")[1]
        n = int(written.split("n_intensity_levels: ")[1])
        code = written.removeprefix("save ").removeprefix("their ranks, ").split(" as uint8")[0].rstrip(",")
        result = eval(code, {"images": images, "numpy": np}) if written.startswith("save") else images
        assert result.shape == images.shape and result.min() == 0 and len(np.unique(result)) <= n, message
        assert result.max() == n - 1


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shape", [(100, 1), (100, 4), (300, 64)])
def test_honest_levels_are_never_refused(seed, shape):
    """Uniform ones, over all of the range or most of it, dark ones, with 200 of 256 values, and mostly zeros."""
    rng = np.random.default_rng(seed)
    allowed = rng.choice(256, 200, replace=False)
    for images in (
        rng.integers(0, 256, shape),
        rng.integers(0, 180, shape),
        rng.choice(allowed, shape),
        (255 * rng.beta(0.5, 3.0, shape)).astype(int),
        rng.normal(128, 40, shape).clip(0, 255).astype(int),
        rng.integers(0, 256, shape) * (rng.random(shape) < 0.1) * (np.arange(shape[1]) > 0),
    ):
        if len(np.unique(images)) > 1:
            assert evidence_of_fewer_levels(images.astype(np.uint8)) is None


FEWER_MUTANTS = {
    "few pixels are evidence": ("not (is_complete and len(values) <= FEW)", "len(values) > FEW"),
    "no counting": ("n_even > FEW and not (is_complete and len(values) <= FEW)", "n_even > FEW"),
    "no range": ("n_even > FEW and not (is_complete", "not (is_complete"),
    "no step": ("int(np.gcd.reduce(values - values[0]))", "1"),
    "from zero": ("np.gcd.reduce(values - values[0])", "np.gcd.reduce(values)"),
}


@pytest.mark.parametrize("name", [*FEWER_MUTANTS, None])
def test_mutants_of_the_number_of_levels_are_seen(name):
    """By few pixels of a range or a step, where most values occur once, and by all the cases above."""
    module = mutated(levels, *FEWER_MUTANTS[name]) if name else levels
    odd = RNG.permutation(np.arange(1, 256, 2, dtype=np.uint8))[:, None]
    narrow = RNG.permutation(np.arange(120, dtype=np.uint8))[:, None]
    cases = [(images, True) for images, _ in FEWER.values()] + [(GOOD[:100, :1], False), (odd, True), (narrow, True)]
    is_right = all((module.evidence_of_fewer_levels(images) is not None) == expected for images, expected in cases)
    assert is_right == (name is None)


def continuous(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Continuous data in [0, 1] of many sorts."""
    return {
        "uniform": rng.random(shape),
        "small": 1e-3 * rng.random(shape),
        "tiny": 1e-12 * rng.random(shape),
        "near one": 1.0 - 1e-2 * rng.random(shape),
        "narrow": 0.5 + 1e-3 * rng.standard_normal(shape),
        "narrow pixels": rng.random(shape[1]) * 0.9 + 1e-4 * rng.random(shape),
        "steep": rng.beta(0.2, 0.2, shape),
        "sigmoid": 1.0 / (1.0 + np.exp(-4.0 * rng.standard_normal(shape))),
        "exponential": -np.expm1(-rng.exponential(1.0, shape)),
        "two modes": np.where(rng.random(shape) < 0.5, 0.2, 0.8) + 0.01 * rng.random(shape),
        "correlated": (rng.random((shape[0], 1)) + rng.random(shape)) / 2,
        "levels with noise": (rng.integers(0, 2, shape) + rng.random(shape)) / 2,
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(100, 1), (100, 2), (300, 40), (5_000, 3)])
@pytest.mark.parametrize("seed", range(10))
def test_continuous_images_are_never_refused(seed, shape, dtype):
    for name, images in continuous(np.random.default_rng(seed), shape).items():
        assert evidence_of_levels(images.astype(dtype)) is None, name


@pytest.mark.parametrize("seed", range(10))
def test_continuous_images_in_double_precision_are_not_even_warned_of(seed):
    for name, images in continuous(np.random.default_rng(seed), (400, 30)).items():
        assert notable_repetition(images) is None, name


@pytest.mark.parametrize("store", [np.float16, np.float32, np.float64])
def test_half_precision_is_levels_in_whatever_type_it_is_stored(store):
    """Also bfloat16, which has fewer bits still."""
    images = RNG.random((300, 40))
    half = images.astype(np.float16).astype(store)
    bfloat = (images.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    for values in (half, bfloat):
        assert evidence_of_levels(values) == "values of at most 11 significant bits, as in half precision"


@pytest.mark.parametrize("n_decimals", [1, 2, 3, 4])
def test_decimals_are_levels(n_decimals):
    for dtype in (np.float32, np.float64):
        found = evidence_of_levels(RNG.random((300, 40)).round(n_decimals).astype(dtype))
        assert "all multiples of 1/1000" in found


@pytest.mark.parametrize("n_averaged", [2, 3, 4, 9])
def test_means_of_a_few_levels_are_levels(n_averaged):
    """As of images that were made smaller, or grey."""
    images = RNG.integers(0, 256, (n_averaged, 300, 64)).mean(0) / 255.0
    assert evidence_of_levels(images).startswith("only ")


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("share", [0.06, 0.3, 0.75])
def test_a_value_with_a_probability_of_its_own_is_seen(value, share):
    images = RNG.random((500, 30))
    assert evidence_of_levels(np.where(RNG.random(images.shape) < share, value, images)).startswith(
        f"the value {value:g} "
    )


@pytest.mark.parametrize("share", [0.15, 0.6])
def test_one_at_a_single_pixel_is_seen_by_its_number(share):
    images = RNG.random((500, 30))
    images[: int(500 * share), 7] = 0.5
    expected = f"one value in more than 10% of the examples at 1 of 30 pixels (at pixel 7 the value 0.5 in {share:.1%})"
    assert evidence_of_levels(images) == expected


def test_values_that_differ_between_pixels_are_seen():
    """Every pixel has a value of its own in a fifth of the examples: none is frequent over all."""
    images = np.where(RNG.random((500, 30)) < 0.2, RNG.random(30), RNG.random((500, 30)))
    assert "at 30 of 30 pixels" in evidence_of_levels(images)


def test_pixels_that_never_vary_are_counted():
    images = RNG.random((500, 30))
    images[:, :4] = RNG.random(4)
    assert evidence_of_levels(images) == "4 of 30 pixels that never vary"


def test_single_precision_that_reaches_one_is_warned_of():
    """A density that grows towards 1 has a share there that float32 rounds to 1: 1.6% of Beta(0.2, 0.2)."""
    images = RNG.beta(0.2, 0.2, (300, 40)).astype(np.float32)
    assert evidence_of_levels(images) is None
    assert notable_repetition(images).startswith("the value 1 in 1.")


EVIDENCE_MUTANTS = {
    "no multiples": ("for denominator in DENOMINATORS", "for denominator in ()"),
    "few values alone": (" and np.median(counts) >= MIN_REPEATS", ""),
    "tolerance of the largest value": ("np.finfo(np.float32).eps * levels)", "np.finfo(np.float32).eps * denominator)"),
    "exact multiples": ("2.0 * np.finfo(np.float32).eps * levels)", "0.0)"),
    "never few": ("len(values) <= FEW_REAL and", "False and"),
    "no halves": ("if _significant_bits_are_at_most", "if False and _significant_bits_are_at_most"),
    "one bit less": ("HALF_PRECISION_BITS = 11", "HALF_PRECISION_BITS = 10"),
    "no share of all": ("if counts.max() >= MIN_COUNT and", "if False and"),
    "no share at pixels": ("return _evidence_at_pixels(images)", "return None"),
    "always a share": ("counts.max() > LARGEST_SHARE * images.size", "True"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*EVIDENCE_MUTANTS, None])
def test_mutants_of_the_evidence_are_seen(name):
    """By levels with little repetition, a few continuous values, tiny ones, rounded or odd levels."""
    module = mutated(levels, *EVIDENCE_MUTANTS[name]) if name else levels
    rounded = GOOD[:100, :1].astype(np.float32) * np.float32(1 / 255)
    cases = [(GOOD[:100, :1] / 255.0, True), (RNG.random((100, 2)), False), (1e-12 * RNG.random((900, 2)), False)]
    cases += [(rounded, True), ((GOOD % 20) / 19.0, True), (RNG.random((300, 4)).astype(np.float16), True)]
    frequent, pixel = RNG.random((500, 30)), RNG.random((500, 30))
    frequent[RNG.random(frequent.shape) < 0.06] = 0.5
    pixel[:200, 3] = 0.25
    cases += [(frequent, True), (pixel, True), (RNG.choice(RNG.random(200), (30, 40)), True)]
    cases += [(np.where(RNG.random((500, 30)) < 0.02, 0.5, RNG.random((500, 30))), False)]
    is_right = all((module.evidence_of_levels(images) is not None) == expected for images, expected in cases)
    assert is_right == (name is None)
