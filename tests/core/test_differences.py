"""What differs between two configs, told by the paths that `--set` takes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clipig_core.config.differences import ABSENT, Difference, differences

PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "name", "text"]), inner),
    max_leaves=12,
)


def found(before: Any, after: Any) -> list[Difference]:
    return list(differences(before, after))


@given(VALUES)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert found(value, value) == []


@given(VALUES, VALUES)
def test_what_differs_is_told(before: Any, after: Any) -> None:
    assert bool(found(before, after)) == (before != after)


def test_paths() -> None:
    before = {"epochs": 300, "targets": [{"name": "fox", "weight": 1.0}]}
    after = {"epochs": 200, "targets": [{"name": "fox", "weight": 2.0}], "seed": 1}
    assert found(before, after) == [
        Difference("epochs", 300, 200),
        Difference("targets.0.weight", 1.0, 2.0),
        Difference("seed", ABSENT, 1),
    ]


def test_one_transform_more_leaves_the_others_alone() -> None:
    before = {"transforms": [{"noise": {"std": 0.1}}, {"blur": {"size": 3}}]}
    after = {"transforms": [{"flip": {}}, {"noise": {"std": 0.1}}, {"blur": {"size": 5}}]}
    assert found(before, after) == [
        Difference("transforms.0", ABSENT, {"flip": {}}),
        Difference("transforms.1.blur.size", 3, 5),
    ]


def test_numbers_of_a_list() -> None:
    assert found([1, 2, 3], [1, 5, 3]) == [Difference("1", 2, 5)]
