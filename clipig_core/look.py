"""Looks: configs to start from, with `{{text}}` where the words of the user are to stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from clipig_core.nodes import Node

PLACEHOLDER = re.compile(r"\{\{ *(\w+) *\}\}")


def placeholders(node: Node) -> set[str]:
    """The names of all placeholders in the texts of a document."""
    if isinstance(node.value, str):
        return {*PLACEHOLDER.findall(node.value)}
    children = node.value.values() if isinstance(node.value, dict) else node.value
    return set().union(*map(placeholders, children)) if isinstance(node.value, dict | list) else set()


def fill(node: Node, texts: Mapping[str, str]) -> Node:
    """The document with texts in the place of placeholders; those that have none stay. No text can add keys to it."""
    if isinstance(node.value, str):
        return replace(node, value=PLACEHOLDER.sub(lambda found: texts.get(found[1], found[0]), node.value))
    if isinstance(node.value, dict):
        return replace(node, value={name: fill(value, texts) for name, value in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[fill(value, texts) for value in node.value])
    return node
