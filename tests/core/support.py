"""What several tests of the core use: configs from text, and an encoder small enough for arithmetic by hand."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from clipig_core.config.check import check
from clipig_core.config.document import merge
from clipig_core.config.plan import Plan
from clipig_core.engine.run import Run
from clipig_core.errors import InputError, Problem
from clipig_core.extension.registry import Registry
from clipig_core.language.yaml import read_yaml

SIZE = 8


class LinearEncoder:
    """A seeded random projection of pixels (an `Encoder`); texts are looked up in `texts`."""

    image_size = SIZE

    def __init__(self, texts: Mapping[str, Sequence[float]], dimension: int = 4) -> None:
        rng = torch.Generator().manual_seed(7)
        self.weights = torch.randn(3 * SIZE * SIZE, dimension, generator=rng) / SIZE
        self.texts = texts
        self.passes: list[int] = []

    def encode_image(self, images: Tensor) -> Tensor:
        assert images.shape[1:] == (3, SIZE, SIZE)
        assert images.min() >= 0
        assert images.max() <= 1
        self.passes.append(len(images))
        features: Tensor = images.flatten(1) @ self.weights
        return features

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([self.texts[text] for text in texts])


AXES = {"x": (1.0, 0, 0, 0), "y": (0, 1.0, 0, 0), "z": (0, 0, 1.0, 0), "-x": (-1.0, 0, 0, 0)}

REGISTRY = Registry()


def config_of(text: str) -> Plan:
    return check(merge([read_yaml(text, "test.yaml")]), REGISTRY)


def run_of(text: str, encoder: LinearEncoder | None = None) -> Run:
    """A run whose model is `encoder`."""
    return Run(config_of(text), encoder=encoder)


def problems_of(action: Callable[[], Any]) -> list[Problem]:
    try:
        action()
    except InputError as error:
        return error.problems
    raise AssertionError("nothing was refused")


def image_file(path: Path, width: int, height: int, seed: int = 0) -> Path:
    """A picture of random pixels."""
    from PIL import Image

    rng = random.Random(seed)
    picture = Image.new("RGB", (width, height))
    picture.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(width * height)])
    picture.save(path)
    return path


def third_party(monkeypatch: pytest.MonkeyPatch, folder: Path, module: str, code: str) -> Registry:
    """The built-in plugins, and one `acme` with hooks and functions in one module."""
    (folder / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, module, raising=False)
    entry = EntryPoint("acme", module, "clipig")
    vars(entry)["dist"] = SimpleNamespace(name="acme", version="1", requires=[])
    return Registry([*entry_points(group="clipig"), entry])
