"""Which of the thousand classes, or of the things known from drawings, a text names."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from clipig_core import InputError, Problem

_SMALL = """
a an the this that some of in on at by with and or from to under over near beside behind before its his her my is are
photo photos photograph photography picture image
"""
SMALL = frozenset(_SMALL.split())
"""Words that nobody misses when they do not count."""

KINDS = {
    "bird": range(7, 25),
    "dog": range(151, 269),
    "cat": range(281, 294),
    "snake": range(52, 69),
    "spider": range(70, 78),
    "bear": range(294, 298),
    "butterfly": range(321, 327),
    "monkey": range(365, 383),
    "fish": range(389, 398),
}
"""Words for classes that follow one another: behind the name of one, as in 'a beagle dog', they add nothing to it."""

PLURALS = (("ies$", "y"), ("ves$", "f"), ("ves$", "fe"), ("(?<=[sxzo])es$|(?<=[cs]h)es$", ""), ("s$", ""))
"""Endings of plurals, and those of the singular; a noun is tried with each."""

MOST = 6
"""How many unknown words are named."""

IRREGULAR = {
    "mice": "mouse",
    "geese": "goose",
    "oxen": "ox",
    "wolves": "wolf",
    "calves": "calf",
    "children": "child",
    "teeth": "tooth",
    "feet": "foot",
}


@dataclass(frozen=True)
class Found:
    """What a text names."""

    word: str
    """As the table spells it."""

    classes: tuple[int, ...]
    """Which of the 1000 look like it, or from 1000 on, of those known from drawings; at least one."""

    ignored: tuple[str, ...]
    """The other words of the text, without the small ones."""


def find(text: str) -> Found:
    """The first thing that a text names: 'two red foxes in the snow' is about a fox.

    The longest known phrase counts, so a sea lion is no lion. Where several known things follow one another directly,
    it is the last, as in 'strawberry ice cream', unless that says only what kind of thing the one before is.

    Raises:
        InputError: no word is known; it names what is near.
    """
    tokens = _tokens(text)
    phrases = list(_phrases(tokens))
    if not phrases:
        raise _unknown(tokens, text)
    head, *others = phrases
    used = [head]
    for other in others:
        if other[0] != used[-1][1]:
            break
        if set(classes(head[2])) <= set(KINDS.get(other[2], ())):
            used.append(other)
        else:
            head, used = other, [other]
    word = head[2]
    used += [other for other in others if other[2] == word]
    counts = SMALL.union(*(tokens[begin:end] for begin, end, _ in used))
    return Found(word, classes(word), tuple(token for token in tokens if token not in counts))


def classes(word: str) -> tuple[int, ...]:
    """The numbers of the classes of a word of the table; from 1000 on, of things known from drawings."""
    return tuple(map(int, table()[word]))


def known_words() -> list[str]:
    """All words of the table, in alphabetical order. Plurals and other spellings of them are known, too."""
    return sorted(table(), key=str.lower)


@cache
def table() -> dict[str, dict[str, str]]:
    """Each word with its classes: number and first name."""
    text = (files("clipig_photo") / "words.json").read_text(encoding="utf-8")
    words: dict[str, dict[str, str]] = json.loads(text)
    return words


def key(phrase: str) -> str:
    """What spellings of a word have in common: `T-shirt`, `t shirt` and `Tshirt` are one."""
    return "".join(_tokens(phrase))


@cache
def _spellings() -> dict[str, str]:
    """The key of each word, and the word."""
    return {key(word): word for word in table()}


def _tokens(text: str) -> list[str]:
    """The words in lower case, without accents and apostrophes."""
    letters = (char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return re.findall(r"[^\W_]+", re.sub("['\u2019]", "", "".join(letters)))


def _phrases(tokens: list[str]) -> Iterator[tuple[int, int, str]]:
    """The known phrases, longest first at each place: their begin, end and word."""
    longest = max(len(_tokens(word)) for word in table())
    begin = 0
    while begin < len(tokens):
        for end in range(min(begin + longest, len(tokens)), begin, -1):
            word = _word(tokens[begin:end])
            if word:
                yield begin, end, word
                break
        else:
            end = begin + 1
        begin = end


def _word(tokens: list[str]) -> str | None:
    """The word of the table that these tokens spell, in singular or plural."""
    if tokens[0] in SMALL or tokens[-1] in SMALL:
        return None
    *first, last = tokens
    return next(filter(None, (_spellings().get("".join([*first, form])) for form in _forms(last))), None)


def _forms(noun: str) -> Iterator[str]:
    """A noun as it is, and what it could be the plural of."""
    yield noun
    if noun in IRREGULAR:
        yield IRREGULAR[noun]
    for ending, singular in PLURALS:
        if re.search(ending, noun):
            yield re.sub(ending, singular, noun)


def _unknown(tokens: list[str], text: str) -> InputError:
    """None of the words is known: which they are, and what is near."""
    words = list(dict.fromkeys(token for token in tokens if token not in SMALL))
    if not words:
        return InputError(f"'{text}' names nothing that the photo model knows")
    near = list(dict.fromkeys(word for token in words[:MOST] for word in _near(token, 3 // len(words) or 1)))[:3]
    listed = ", ".join(f"'{word[:40]}'" for word in words[:MOST])
    if len(words) > MOST:
        listed += f" and {len(words) - MOST} more"
    message = f"{listed} is no word" if len(words) == 1 else f"{listed}: none is a word"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else ""
    return InputError(Problem(f"{message} that the photo model knows", hint=hint))


def _near(token: str, most: int) -> list[str]:
    """Known words: those with the token in them, or else those that are spelled alike."""
    forms = set(_forms(token))
    containing = [word for word in known_words() if forms & set(_tokens(word))]
    return containing[:most] or difflib.get_close_matches(token, known_words(), n=most)
