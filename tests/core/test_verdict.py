"""The verdict: each sentence is said of a run that deserves it, and of no other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from clipig_core.engine.statistics import Row
from clipig_core.runner.execute import execute
from clipig_core.runner.verdict import verdict
from tests.core.support import AXES, LinearEncoder, run_of


def row(name: str, kind: str = "constraint", **more: object) -> Row:
    similarity = (20.0, 10.0, 30.0) if kind == "feature" else None
    plain = Row(0, "fox", kind, name, 1.0, 2400, 0.5, 0.4, similarity, 2400)
    return replace(plain, **more)  # type: ignore[arg-type]


def course(loss: Callable[[float], float], parts: int = 32, epochs: int = 320) -> tuple[tuple[int, float], ...]:
    """How a loss went: a function of time, with a little noise."""
    return tuple(
        ((part + 1) * epochs // parts, loss(part / parts) + 0.002 * math.sin(40 * part)) for part in range(parts)
    )


def going(loss: Callable[[float], float], parts: int = 32) -> list[str]:
    return verdict([row("fox", "feature", course=course(loss, parts))])


WORD = row("fox", "feature", share=0.21)


def test_a_constraint_that_decides_more_than_the_words() -> None:
    (sentence,) = verdict([WORD, row("blur", share=0.79)])
    assert sentence.startswith("the blur constraint was 79 % of the loss")
    assert sentence.endswith("try weight .3")
    assert not verdict([WORD, row("blur", share=0.5)])
    assert not verdict([row("edge", share=0.1), row("blur", share=0.9)])  # nothing else is wanted


def test_what_too_much_of_a_constraint_makes_of_a_picture_comes_first() -> None:
    words = {"blur": "soft", "mean": ""}
    (sentence,) = verdict([WORD, row("blur", share=0.79)], words)
    assert sentence == "soft: the blur constraint was 79 % of the loss; try weight .3"
    (sentence,) = verdict([WORD, row("mean", share=0.79)], words)
    assert sentence == "the mean constraint was 79 % of the loss, more than what is wanted; try weight .3"
    assert not verdict([WORD, row("blur", share=0.5)], words)


def test_the_weight_to_try_gives_the_words_as_much() -> None:
    (sentence,) = verdict([WORD, row("blur", share=0.9, weight=27.0)])
    assert sentence.endswith("try weight 3")


def test_a_feature_that_was_never_chosen() -> None:
    (sentence,) = verdict([row("red heart", "feature", count=0), row("mango", "feature")])
    assert sentence.startswith("'red heart' was never chosen in 2400 views")
    assert not verdict([row("red heart", "feature", count=1), row("mango", "feature")])


def test_a_constraint_that_only_keeps_watch_is_nothing_to_mention() -> None:
    assert not verdict([WORD, row("range", share=0.0, course=course(lambda _: 0.0))])


def test_the_target_is_named_if_there_are_several() -> None:
    rows = [WORD, row("blur", share=0.79), row("mean", index=1, target="sky"), row("border", index=1, target="sky")]
    (sentence,) = verdict(rows)
    assert "of target 'fox'" in sentence


def test_still_improving() -> None:
    assert going(lambda t: 1 - 0.5 * t) == ["still improving: more epochs will help"]


def test_nothing_improved_any_more() -> None:
    (sentence,) = going(lambda t: max(0.4, 1 - 1.2 * t))
    assert sentence.startswith("nothing improved after epoch 1")


def test_an_end_that_is_neither() -> None:
    assert not going(lambda t: math.exp(-5 * t))
    assert not going(lambda t: max(0.4, 1 - 0.8 * t))


def test_a_few_epochs_tell_nothing() -> None:
    assert not going(lambda t: 1 - 0.5 * t, parts=15)


def test_what_is_pushed_away_improves_when_its_loss_grows() -> None:
    away = row("rust", "feature", weight=-0.5, course=course(lambda t: 0.3 + 0.5 * t))
    assert verdict([away]) == ["still improving: more epochs will help"]


def test_what_ended_before_does_not_count() -> None:
    early = row("outline", "feature", course=course(lambda t: 1 - 0.9 * t)[:16])
    lasting = row("fox", "feature", course=course(lambda t: max(0.4, 1 - 1.2 * t)))
    assert verdict([early, lasting]) == verdict([lasting])


@pytest.mark.parametrize("loss", [0.0, 1e-12])
def test_losses_of_nothing(loss: float) -> None:
    assert not verdict([row("fox", "feature", loss=loss, share=0.0, course=course(lambda _: loss))])


def test_no_rows() -> None:
    assert verdict([]) == []


HEAD = "resolution: 8\nseed: 1\ntargets:\n- features:\n  - text: x\n"


def test_of_real_runs() -> None:
    run = run_of(
        f"epochs: 40\n{HEAD}  - text: y\n    scale: 0\n  select: best\n  constraints: [blur: {{weight: 9000}}]",
        LinearEncoder(AXES),
    )
    result = execute(run)
    assert any(sentence.startswith("soft: the blur constraint was ") for sentence in result.verdict)
    assert [r.views for r in result.statistics] == [40] * 3
    assert sum(r.count for r in result.statistics if r.kind == "feature") == 40


def test_the_course_begins_anew_with_the_resolution() -> None:
    result = execute(
        run_of(
            "epochs: 64\n" + HEAD.replace("resolution: 8", "resolution: 8 if epoch < 30 else 12"), LinearEncoder(AXES)
        )
    )
    (only,) = result.statistics
    assert only.course[0][0] == 34  # the part with epochs 31 and 32 has both
    assert only.course[-1][0] == 64
    assert len(only.course) == 16
