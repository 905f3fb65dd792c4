"""Looks: configs to start from, with `{{text}}` where the words of the user are to stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from clipig_core.errors import Place
from clipig_core.language.nodes import Node

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


BRACES = {"braces": "{{"}
"""The variable of texts that have braces of their own, see `escaped`."""


def gaps(node: Node) -> Iterator[tuple[str, Place]]:
    """The placeholders in the texts of a document: their names, and where the texts are."""
    if isinstance(node.value, str):
        for name in PLACEHOLDER.findall(node.value):
            yield name, node.place
    elif isinstance(node.value, dict | list):
        for child in node.value.values() if isinstance(node.value, dict) else node.value:
            yield from gaps(child)


def fill(node: Node, texts: Mapping[str, str]) -> Node:
    """The document with texts in the place of placeholders; those that have none stay. No text can add keys to it."""
    if isinstance(node.value, str) and PLACEHOLDER.search(node.value):
        filled = PLACEHOLDER.sub(lambda found: texts.get(found[1], found[0]), node.value)
        return replace(node, value=filled, plain=False)
    if isinstance(node.value, dict):
        return replace(node, value={name: fill(value, texts) for name, value in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[fill(value, texts) for value in node.value])
    return node


def escaped(value: object) -> Any:
    """A plain value whose texts are filled in as they are: `{{y}}` is written `{{braces}}y}}`, with `BRACES`."""
    if isinstance(value, dict):
        return {name: escaped(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [escaped(entry) for entry in value]
    if isinstance(value, str) and PLACEHOLDER.search(value):
        return value.replace("{{", "{{braces}}")
    return value
