"""The bundled model, from its compact file."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from textwrap import shorten
from types import MappingProxyType

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from clipig_clip.encoder import CLIP, VOCABULARY, ClipEncoder, clip, rebuild
from clipig_core import InputError

log = logging.getLogger("clipig")


class EmojiEncoder(ClipEncoder):
    """A CLIP model that says which words it never learnt, and refuses texts of nothing else.

    `names` are texts that stand for others.
    """

    def __init__(
        self,
        model: CLIP,
        device: torch.device,
        dtype: torch.dtype,
        known: frozenset[int],
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(model, device, dtype)
        self.known, self.names = known, names

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        texts = [self._named(_plain(text)) for text in texts]
        for text in texts:
            words = list(dict.fromkeys(text.split()))
            unknown = [word for word in words if not self._knows(word)]
            listed = shorten(", ".join(unknown), 200, placeholder=" ...")
            if unknown and len(unknown) == len(words):
                raise InputError(f"the emoji model knows none of these words: {listed}")
            if unknown:
                log.warning("the emoji model does not know: %s", listed)
        return super().encode_text(texts)

    def _named(self, text: str) -> str:
        """The text that stands for this one, or for the one of which it is the plural."""
        bare = _bare(text)
        forms = (re.sub(ending, "", bare) for ending in ("", "s$", "es$"))
        return next((self.names[form] for form in forms if form in self.names), text)

    def _knows(self, word: str) -> bool:
        tokens = clip.tokenize(word, context_length=self.context_length, truncate=True)[0]
        return set(tokens[tokens > 0].tolist()) <= self.known


def names() -> dict[str, str]:
    """The names of the emoji that everyday words stand for."""
    found: dict[str, str] = json.loads((files("clipig_clip") / "names.json").read_text("utf-8"))
    return found


def _plain(text: str) -> str:
    """`fox` for `"fox"!`: without signs that are no part of words, if it has any words."""
    return " ".join(re.sub(r"[^\w\s'\u2019.,-]|_", " ", text).split()) or text


def _bare(text: str) -> str:
    """`orange` for `an Orange.`"""
    return re.sub(r"^(?:an?|the) ", "", text.lower()).rstrip(".,")


def emoji(name: str, device: torch.device, dtype: torch.dtype) -> EmojiEncoder:
    """A CLIP trained by this project on emoji, 64x64 pixels; knows a thousand things and a dozen background colours."""
    model, known = load(name)
    return EmojiEncoder(model, device, dtype, known)


def emoji_things(name: str, device: torch.device, dtype: torch.dtype) -> EmojiEncoder:
    """The model `emoji`, for which an everyday word is one thing: `orange` a fruit, and not a heart or a book too.

    The words and the emoji that they stand for are those of `names.json` of this plugin; other texts mean what they do
    for `emoji`.
    """
    model, known = load(name)
    return EmojiEncoder(model, device, dtype, known, names())


def known_words() -> list[str]:
    """The words that it learnt, as far as they are one token each."""
    decoder = clip.clip._tokenizer.decoder
    with as_file(files("clipig_clip") / "emoji.safetensors") as path, safe_open(path, "pt") as file:
        tokens = file.get_tensor("token_embedding.tokens").tolist()
    whole = (decoder[token].removesuffix("</w>") for token in tokens if decoder[token].endswith("</w>"))
    return [word for word in whole if len(word) > 1 and word.isalpha()]


def load(name: str = "emoji") -> tuple[CLIP, frozenset[int]]:
    """The model, and the tokens that it knows."""
    with as_file(files("clipig_clip") / "emoji.safetensors") as path:
        state = load_file(path)
    tokens = state.pop("token_embedding.tokens")
    compact = state["token_embedding.weight"]
    # Training replaced unknown words by zeros, so zeros are what the text tower takes for one.
    state["token_embedding.weight"] = compact.new_zeros(VOCABULARY, compact.shape[1]).index_copy(
        0, tokens.long(), compact
    )
    return rebuild(state, name), frozenset(tokens.tolist())
