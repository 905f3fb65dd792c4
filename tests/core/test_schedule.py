from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipig_core.language.schedule import FrameTime, Now


@given(st.integers(2, 10**8))
def test_time_runs_from_exactly_0_to_exactly_1(epochs: int) -> None:
    assert Now(0, epochs).time == 0.0
    assert Now(epochs - 1, epochs).time == 1.0
    assert 0 < Now(epochs // 2, epochs).time <= 1


def test_a_run_of_one_epoch_is_at_its_start() -> None:
    assert Now(0, 1).time == 0.0


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.5%", 0.125), ("100%", 1.0), ("0 %", 0.0), (" 5% ", 0.05), (".5%", 0.005), ("5.%", 0.05), ("-1%", -0.01)],
)
def test_percent(text: str, value: float) -> None:
    assert FrameTime.parse_percent(text) == FrameTime(value)


@pytest.mark.parametrize("text", ["12.5", "%", "a%", "5%%", "5% 6%", ".%", ""])
def test_not_a_percentage(text: str) -> None:
    assert FrameTime.parse_percent(text) is None


@pytest.mark.parametrize(
    ("start", "end", "epochs"),
    [
        (0.0, 1.0, range(11)),
        (3, 5, (3, 4, 5)),
        (0.3, 0.5, (3, 4, 5)),
        (3, 0.5, (3, 4, 5)),
        (0.95, 1.0, (10,)),
        (0, 0, (0,)),
        (1.0, 1.0, (10,)),
        (1, 1.0, range(1, 11)),
        (5, 3, ()),
    ],
)
def test_a_window_includes_both_ends(start: float, end: float, epochs: range | tuple[int, ...]) -> None:
    within = [epoch for epoch in range(11) if Now(epoch, 11).within(FrameTime(start), FrameTime(end))]
    assert within == list(epochs)


def test_variables_are_powers_of_time() -> None:
    variables = Now(1, 5).variables()
    assert variables["epoch"] == 1
    for name, value in (("time", 0.25), ("t", 0.25), ("time_inverse", 0.75), ("ti", 0.75)):
        assert variables[name] == value
        assert [variables[f"{name}{power}"] for power in (2, 3, 4, 5)] == [value**2, value**3, value**4, value**5]


@pytest.mark.parametrize(
    ("epoch", "a", "b", "wanted"),
    [
        *((0, 0.2, 0.6, 0), (2, 0.2, 0.6, 0), (4, 0.2, 0.6, 0.5), (6, 0.2, 0.6, 1), (10, 0.2, 0.6, 1)),
        *((0, 0.6, 0.2, 1), (2, 0.6, 0.2, 1), (4, 0.6, 0.2, 0.5), (6, 0.6, 0.2, 0), (10, 0.6, 0.2, 0)),
        *((4, 0.5, 0.5, 0), (5, 0.5, 0.5, 1)),
    ],
)
def test_time_step(epoch: int, a: float, b: float, wanted: float) -> None:
    assert Now(epoch, 11).step(a, b) == pytest.approx(wanted)


@given(st.integers(0, 100), st.floats(-2, 2), st.floats(-2, 2))
def test_time_step_stays_in_its_range_and_falls_when_swapped(epoch: int, a: float, b: float) -> None:
    now = Now(epoch, 101)
    assert 0 <= now.step(a, b) <= 1
    if a != b:
        assert now.step(a, b) == pytest.approx(1 - now.step(b, a))
