"""Seeds from identity: fixed, distinct, and independent of order."""

import torch

from cdae.computing.seeds import generator_from, seed_from, spawn
from tests.helpers import seeded


def test_seeds_are_the_same_on_every_system_and_in_every_release():
    """A published number depends on these: SHA-256 of the words joined by the unit separator."""
    assert seed_from("digits", "split") == 8461579300395225724


def test_seeds_tell_words_apart():
    identities = [("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ("a", "b", "c"), (1, 23), (12, 3), (123,)]
    assert len({seed_from(*identity) for identity in identities}) == len(identities)


def test_numbers_count_as_their_digits():
    assert seed_from(7, "x") == seed_from("7", "x")


def test_seeds_fit_a_signed_64_bit_integer():
    assert all(0 <= seed_from(i) < 2**63 for i in range(1_000))


def test_generator_from_is_seeded_by_identity():
    one, same, other = (torch.rand(3, generator=generator_from(*words)) for words in (("a", 1), ("a", 1), ("a", 2)))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_spawned_streams_are_distinct_and_reproducible():
    streams = [torch.rand(4, generator=g) for g in spawn(seeded(0), 3)]
    again = [torch.rand(4, generator=g) for g in spawn(seeded(0), 3)]
    assert all(torch.equal(a, b) for a, b in zip(streams, again, strict=True))
    assert len({tuple(s.tolist()) for s in streams}) == 3


def test_using_one_spawned_stream_leaves_the_others():
    first, second = spawn(seeded(0), 2)
    torch.rand(1_000, generator=first)
    assert torch.equal(torch.rand(4, generator=second), torch.rand(4, generator=spawn(seeded(0), 2)[1]))
