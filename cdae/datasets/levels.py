"""Whether the values of images are levels or continuous, judged by the values alone.

Levels, whole numbers: uint8 images have 256 levels unless it is said or evident that they have fewer. The number
matters: with L levels, dequantization spreads every value over 1/L, so data of two levels that are taken for 256 can
gain log 128 nats per pixel. Evident is

- a range or a step that leaves room for at most 128 values: 0 and 1, 0 and 255, 0 .. 15, multiples of 17;
- at most 128 values that occur, nearly all of them more than once. Where there are more values than have turned up yet,
  many occur once, so few pixels are no evidence, and 17 uneven levels are.

Continuous values, real numbers: a density has no bound where one value has a probability of its own. Evident is

- whole multiples of 1/L for a usual L, or at most 4,096 distinct values, most of them in four entries or more;
- at most 11 significant bits, as in half precision and bfloat16: near 1 such values are levels 1/2048 apart, coarser
  than those of 16 bits, and a narrow density sees them, whatever array type they are stored in;
- a pixel that never varies, one value in more than 3% of all entries, or in more than 10% of the examples at a pixel.
  Continuous values in single precision stay below: their steps are 6e-8 wide at most, so such a share wants a standard
  deviation below 1e-6, or a density that grows without bound towards 1. From half a percent on there is a warning.
"""

import numpy as np

FULL = 256  # levels of uint8
FEW = 128  # levels, fewer than which nobody stores in 8 bits without saying so
LARGEST_SHARE_ONCE = 0.1  # of the values that occur, those that occur once, where hardly any is still to turn up
FEW_REAL = 4_096  # real values: 12 bits, as of a sensor, or the mean of a few pixels of 8 bits
MIN_REPEATS = (
    4  # entries with the typical distinct value that make few real values levels; continuous ones hardly ever repeat
)
DENOMINATORS = (255, 256, 1_000, 10_000, 65_535, 65_536)  # 8 bits and 16, by the top level or by their number; decimals
HALF_PRECISION_BITS = 11
LARGEST_SHARE, LARGEST_PIXEL_SHARE = 0.03, 0.1  # of one value, in all entries and at one pixel
NOTABLE_SHARE = 0.005  # of one value in all entries, from which it is worth a warning
MIN_COUNT = 10  # of one value, below which a share is chance


def evidence_of_fewer_levels(images: np.ndarray) -> str | None:
    """What says that uint8 images have evidently fewer than 256 levels, and what to write; None where nothing does."""
    counts = np.bincount(images.reshape(-1), minlength=FULL)
    values = np.flatnonzero(counts)
    is_complete = (counts == 1).sum() <= LARGEST_SHARE_ONCE * len(values)
    low, step = int(values[0]), int(np.gcd.reduce(values - values[0]))
    n_even = (int(values[-1]) - low) // step + 1
    if n_even > FEW and not (is_complete and len(values) <= FEW):
        return None
    found = f"only {len(values)} distinct values in {low} .. {values[-1]}, which are evidently not {FULL} levels"
    return (
        f"{found}; {_rescaling(low, step, n_even, len(values))}; if other values are possible too, set "
        f"n_intensity_levels: {FULL}"
    )


def _rescaling(low: int, step: int, n_even: int, n_distinct: int) -> str:
    """What turns these values into levels 0 .. L-1, and the L to write."""
    if n_even > FEW:
        ranks = "numpy.unique(images, return_inverse=True)[1].reshape(images.shape)"
        return f"save their ranks, {ranks}, as uint8 and set n_intensity_levels: {n_distinct}"
    if low == 0 and step == 1:
        return f"set n_intensity_levels: {n_even}"
    shifted = "images" if low == 0 else f"(images - {low})"
    return f"save {shifted}{'' if step == 1 else f' // {step}'} as uint8 and set n_intensity_levels: {n_even}"


def evidence_of_levels(images: np.ndarray) -> str | None:
    """What says that real images (n, dim) in [0, 1] have no bounded density, in words; None where nothing does."""
    values, counts = np.unique(images, return_counts=True)
    found = f"only {len(values)} distinct values in {images.size} entries"
    for denominator in DENOMINATORS:
        if _are_multiples(values, denominator):
            return f"{found}, all multiples of 1/{denominator}"
    if _significant_bits_are_at_most(HALF_PRECISION_BITS, values):
        return f"values of at most {HALF_PRECISION_BITS} significant bits, as in half precision"
    if len(values) <= FEW_REAL and np.median(counts) >= MIN_REPEATS:
        return found
    if n_constant := int((images == images[0]).all(0).sum()):
        return f"{n_constant} of {images[0].size} pixels that never vary"
    if counts.max() >= MIN_COUNT and counts.max() > LARGEST_SHARE * images.size:
        return f"the value {values[counts.argmax()]:g} in {counts.max() / images.size:.1%} of their entries"
    return _evidence_at_pixels(images)


def notable_repetition(images: np.ndarray) -> str | None:
    """A share of one exactly repeated value that proves nothing and is worth a warning, in words."""
    values, counts = np.unique(images, return_counts=True)
    if counts.max() < MIN_COUNT or counts.max() < NOTABLE_SHARE * images.size:
        return None
    return f"the value {values[counts.argmax()]:g} in {counts.max() / images.size:.1%} of their entries"


def _evidence_at_pixels(images: np.ndarray) -> str | None:
    """The pixels at which one value has a large share of the examples, in words."""
    found = []
    for pixel, column in enumerate(images.T):
        values, counts = np.unique(column, return_counts=True)
        if counts.max() > LARGEST_PIXEL_SHARE * len(column):
            found.append((counts.max() / len(column), values[counts.argmax()], pixel))
    if not found:
        return None
    share, value, pixel = max(found, key=lambda one: one[0])
    return (
        f"one value in more than {LARGEST_PIXEL_SHARE:.0%} of the examples at {len(found)} of {images.shape[1]} pixels "
        f"(at pixel {pixel} the value {value:g} in {share:.1%})"
    )


def _are_multiples(values: np.ndarray, denominator: int) -> bool:
    """Whether all values are whole multiples of 1/denominator, to the precision of float32."""
    if values.dtype.itemsize < 4:  # half precision is too coarse to tell
        return False
    levels = values.astype(np.float64) * denominator
    return bool((np.abs(levels - np.rint(levels)) <= 2.0 * np.finfo(np.float32).eps * levels).all())


def _significant_bits_are_at_most(n_bits: int, values: np.ndarray) -> bool:
    mantissa = np.ldexp(np.frexp(values.astype(np.float64))[0], n_bits)
    return bool((mantissa == np.rint(mantissa)).all())
