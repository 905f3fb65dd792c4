"""What stands under `sweep:` in a config."""

from __future__ import annotations

from typing import Annotated, Any

from clipig_core import Param, Type


class _Raw(Type):
    """What has a language of its own, which the command reads."""

    def __init__(self, name: str, *json: str) -> None:
        self.name, self.json = name, json


Axes = _Raw("keys and their values", "object", "null")
SeveralAxes = _Raw("keys and their values, or a list of such", "object", "array", "null")
Condition = _Raw("condition", "string")
Launcher = _Raw("name of a launcher, or one name with its parameters", "string", "object", "null")


class Sweep:
    """In what the pictures of `clipig sweep` differ; a list of such sections makes the pictures of all of them.

    A value is a list, 1..10, "@file.txt", a draw such as uniform(0, 1), or one value.
    """

    grid: Annotated[Any, Axes, Param("All combinations of the values of these keys.")] = None
    zip: Annotated[Any, SeveralAxes, Param("Keys whose values go together, so they have as many each.")] = None
    samples: Annotated[int, Param("How often each combination is made, with other draws.", min=1)] = 1
    where: Annotated[Any, Condition, Param("Jobs for which it is false are left out, such as seed < 3.")] = None
    seed: Annotated[int, Param("Seed of what is drawn.", min=0)] = 0
    launcher: Annotated[Any, Launcher, Param("Where jobs run.")] = None
