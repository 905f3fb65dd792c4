"""The looks that come with clipig."""

from __future__ import annotations

import pytest

import clipig
from clipig_core.extension.registry import Registry
from clipig_core.testing import check_look

REGISTRY = Registry()
LOOKS = REGISTRY.names("look")


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_keeps_its_contract(name: str) -> None:
    check_look(REGISTRY.find("look", name).target, "strawberry")


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_paints_in_small(name: str) -> None:
    """With a word that all of its models know, each of its targets takes part at the beginning."""
    result = clipig.make({"look": name, "vars": {"text": "strawberry"}}, epochs=3, resolution=48, seed=1)
    assert result.error is None
    assert result.image.shape == (1, 3, 48, 48)
    assert {row.target for row in result.statistics} == {
        target.section["name"].source for target in result.run.plan.targets
    }


def test_there_is_a_default_look() -> None:
    assert REGISTRY.default("look") == "object"
