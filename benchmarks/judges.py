"""Nets that no look asks, as judges of pictures: they say what they take a picture for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from clip.model import ModifiedResNet
from safetensors import SafetensorError, safe_open
from torch import Tensor

from clipig_clip.encoder import MEAN, STD
from clipig_core.kit import read_image, resample
from clipig_photo.model import load
from clipig_photo.words import find


class Judge(Protocol):
    """A classifier of square images."""

    name: str
    side: int

    def odds(self, images: Tensor) -> Tensor:
        """[1, 3, side, side] in [0, 1] -> the probability of each class, [classes]."""
        ...

    def wanted(self, word: str) -> list[int]:
        """The classes that are right for a word; none if it knows none."""
        ...


class Photos:
    """EfficientNet-lite2, for the thousand classes of ImageNet; at the size at which it was trained."""

    name, side = "lite2", 260

    def __init__(self) -> None:
        self.net = load(self.name)

    def odds(self, images: Tensor) -> Tensor:
        return self.net.logits(images)[0].softmax(0)

    def wanted(self, word: str) -> list[int]:
        return [*find(word).classes]


class Emoji:
    """An image tower that `tools/emoji/train.py` trained with another seed, for a thousand emoji."""

    name = "emoji judge"

    def __init__(self, path: Path) -> None:
        """Raises ValueError if it is no file of `train.py judge`."""
        try:
            with safe_open(path, "pt") as file:
                about = {key: json.loads(value) for key, value in (file.metadata() or {}).items() if key != "format"}
                state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no dict
            self.labels, self.tags, tower = about["labels"], about["tags"], about["tower"]
            self.concepts, self.scale = state.pop("concepts"), state.pop("scale")
            self.visual = ModifiedResNet(**tower).eval()
            self.visual.load_state_dict(state)
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise ValueError(f"'{path}' is no file of `train.py judge`: {error}") from error
        self.side = int(tower["input_resolution"])
        self.mean, self.std = (torch.tensor(color)[:, None, None] for color in (MEAN, STD))

    def odds(self, images: Tensor) -> Tensor:
        odds: Tensor = (self.scale * self.features(images) @ self.concepts.T)[0].softmax(0)
        return odds

    def features(self, images: Tensor) -> Tensor:
        """[B, 3, 64, 64] in [0, 1] -> [B, D], of length 1."""
        return F.normalize(self.visual((images - self.mean) / self.std), dim=1)

    def wanted(self, word: str) -> list[int]:
        """Those of this name; if there are none, those that are found by this word."""
        named = [number for number, label in enumerate(self.labels) if label == word]
        return named or [number for number, tags in enumerate(self.tags) if word in tags]


@torch.no_grad()
def place(judge: Judge, path: Path, word: str) -> tuple[int, float] | None:
    """The place of the best wanted class, from 1, and the probability of all wanted; None if there are none."""
    wanted = judge.wanted(word)
    if not wanted:
        return None
    odds = judge.odds(image(path, judge.side))
    return int((odds > odds[wanted].max()).sum()) + 1, odds[wanted].sum().item()


def image(path: Path, side: int) -> Tensor:
    """A picture as [1, 3, side, side] in [0, 1]."""
    return resample(read_image(str(path))[None], side, side).clamp(0, 1)
