"""Random numbers by place."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from hypothesis import given
from hypothesis import strategies as st

from clipig_core.engine.randomness import Key

SEEDS = st.integers(0, 2**63 - 1)
PLACES = st.lists(st.integers(0, 10**6) | st.text("abz-_0 é", min_size=1, max_size=8), min_size=1, max_size=4)


@given(SEEDS, PLACES)
def test_a_key_depends_on_seed_and_places_alone(seed: int, places: list[int | str]) -> None:
    key = Key(seed).fold(*places)
    Key(seed).python().random()  # earlier draws do not matter
    torch.rand(3)
    assert Key(seed).fold(*places) == key
    assert 0 <= key.seed < 2**63
    assert key.python().random() == Key(seed).fold(*places).python().random()
    generator = torch.Generator()
    first = torch.rand(3, generator=key.torch(generator))
    torch.rand(9, generator=generator)
    assert torch.equal(torch.rand(3, generator=key.torch(generator)), first)


@given(SEEDS, PLACES, SEEDS, PLACES)
def test_other_seeds_and_places_have_other_keys(
    seed: int, places: list[int | str], other_seed: int, other_places: list[int | str]
) -> None:
    same = (seed, [*map(str, places)]) == (other_seed, [*map(str, other_places)])
    assert (Key(seed).fold(*places) == Key(other_seed).fold(*other_places)) == same
    assert Key(seed).fold(*places) != Key(seed)


def test_a_key_is_the_same_everywhere() -> None:
    """Pictures are made again on other machines; neither hashes of strings nor versions may change them."""
    assert Key(1).fold("epoch", 3, "targets/0").seed == PINNED
    code = "from clipig_core.engine.randomness import Key; print(Key(1).fold('epoch', 3, 'targets/0').seed)"
    for hashes in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert int(done.stdout) == PINNED


PINNED = 568509961089905330
