"""Counter-based random numbers: a draw depends on the seed and on where and when it happens, not on earlier draws.

So a random part that is added to a config changes no other part, and an epoch needs no history, as with `fold_in` of
JAX.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Key:
    """Names a stream of random numbers: a seed, and the places that were folded into it."""

    seed: int

    def fold(self, *places: int | str) -> Key:
        """The key of something inside of what this key names."""
        text = "/".join(map(str, (self.seed, *places))).encode()
        return Key(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1)

    def python(self) -> random.Random:
        """A generator for expressions."""
        return random.Random(self.seed)

    def torch(self, generator: torch.Generator) -> torch.Generator:
        """`generator`, set to the beginning of this stream."""
        return generator.manual_seed(self.seed)
