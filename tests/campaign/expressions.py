"""Expressions that somebody might hope to break out with, or to stop the run with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from clipig_core.language.expressions import FUNCTIONS, VARIABLES, Expression, ExpressionError

from .cases import Case

NAMES = [*FUNCTIONS, *(name for group in VARIABLES.values() for name in group), "x", "True", "None", "__import__"]
NUMBERS = ["0", "1", "2", "-1", "0.5", "1e308", "1e-308", "9" * 60, "10**9", "inf", "nan", "1j", "0x7f", "1_000"]
FORMS = [
    *("{} + {}", "{} - {}", "{} * {}", "{} / {}", "{} // {}", "{} % {}", "{} ** {}", "{} if {} else {}", "[{}, {}]"),
    *("({}, {})", "{{{}: {}}}", "{}[{}]", "{}({})", "{}({}, {})", "{}({}, {}, {})", "-{}", "not {}", "{} < {} < {}"),
    *("{} and {}", "{} or {}", "{} == {}", "{}.__class__", "'{}'", "f'{{{}}}'", "lambda: {}", "[{} for x in {}]"),
    *("({})", "{} <<{}", "~{}", "{} @ {}", "*{}", "{}:={}", "{}[{}:{}]", "{}\n{}", "{};{}", "{}#{}", "await {}"),
]


def made(rng: random.Random, depth: int) -> str:
    """An expression, or something like one."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(NUMBERS if rng.random() < 0.5 else NAMES)
    form = rng.choice(FORMS)
    parts = [made(rng, depth - 1) for _ in range(form.replace("{{", "").replace("}}", "").count("{}"))]
    if form.startswith("{}("):
        parts[0] = rng.choice(NAMES)
    return form.format(*parts)


def expressions(rng: random.Random, folder: Path) -> Iterator[tuple[str, Case]]:
    """Parsed and computed."""
    del folder
    variables = {name: rng.uniform(0, 2) for group in VARIABLES.values() for name in group}
    while True:
        text = made(rng, rng.randrange(1, 6))
        if rng.random() < 0.1:
            text = "".join(rng.choice("()[]{}+-*/%<>=.,:'\" \\\0\x1bt1é") for _ in range(rng.randrange(600)))

        def case(text: str = text) -> str:
            try:
                value = Expression(text, variables)(variables, random.Random(1))
            except ExpressionError as error:
                return "" if str(error) else "no message"
            good = isinstance(value, bool | int | float | list | dict)
            return "" if good else f"its value is a {type(value).__name__}"

        yield text, case
