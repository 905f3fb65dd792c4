"""Texts about concepts, and the directions in feature space that they should point to."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from augment import BACKGROUNDS

MAX_SHARED = 12  # a search word that more concepts share says too little
TEMPLATES = (
    *("{}", "{}", "{}", "a {}", "an {}", "the {}", "one {}", "{} emoji", "an emoji of a {}", "a drawing of a {}"),
    *("a picture of a {}", "a photo of a {}", "a painting of a {}", "an image of {}", "a cute {}", "a simple {}"),
    *("a big {}", "a small {}", "a colorful {}", "{}, simple", "a beautiful {} in the center"),
)
PLACES = (
    "{} on a {} background",
    "{} on {}",
    "{}, {} background",
    "{} in front of a {} background",
    "{} with {} background",
)


@dataclass(frozen=True)
class Caption:
    """A text with the concepts that it means equally, and the background colour or -1."""

    text: str
    concepts: tuple[int, ...]
    background: int


class Captions:
    """Draws captions: labels, search words, pairs of concepts, with and without backgrounds."""

    def __init__(self, labels: list[str], tags: list[list[str]], seed: int) -> None:
        self.rng = random.Random(seed)
        self.labels = [label.lower() for label in labels]
        shared: dict[str, list[int]] = defaultdict(list)
        for concept, words in enumerate(tags):
            for word in words:
                shared[word].append(concept)
        taken = set(self.labels)
        self.tags = [
            [word for word in words if word not in taken and len(shared[word]) <= MAX_SHARED] for words in tags
        ]
        self.shared = shared

    def draw(self) -> Caption:
        rng = self.rng
        concept = rng.randrange(len(self.labels))
        words, concepts = self.labels[concept], (concept,)
        kind = rng.random()
        if kind < 0.35 and self.tags[concept]:
            words = rng.choice(self.tags[concept])
            concepts = tuple(self.shared[words])
        elif kind > 0.93:
            other = rng.randrange(len(self.labels))
            words, concepts = f"{words} and a {self.labels[other]}", (concept, other)
        text = rng.choice(TEMPLATES).format(words)
        background = -1
        if rng.random() < 0.35:
            background = rng.randrange(len(BACKGROUNDS))
            text = rng.choice(PLACES).format(text, list(BACKGROUNDS)[background])
        return Caption(text, concepts, background)

    def everything(self) -> list[str]:
        """Texts that together hold every word that can occur."""
        places = [place.format("", color) for place in PLACES for color in BACKGROUNDS]
        tags = [tag for tags in self.tags for tag in tags]
        return [*self.labels, *tags, *(template.format("") for template in TEMPLATES), *places, "and"]
