"""What is known without a run: what is wrong with a config, what may be written, and which looks there are."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from clipig_core import ClipigError, InputError, kit

if TYPE_CHECKING:
    from clipig_core.kit import Plan, Registry

T = TypeVar("T")

NAME = "config.yaml"
"""How messages call what is in the editor."""

UNTOLD = ("outputs", "verbose", "device")
"""What says nothing about the picture."""

MOST = 100
"""Problems that are told at once."""


class Checker:
    """Checks in a thread, one at a time, so that a config that takes long holds up nothing but checks."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._alone = asyncio.Lock()
        self._schema: dict[str, Any] = {}

    async def problems(self, text: str) -> list[dict[str, Any]]:
        """The problems that `clipig run` would tell, each with its line and column, from 1."""
        try:
            await self.name(text)
        except InputError as error:
            return [_located(problem) for problem in error.problems[:MOST]]
        except ClipigError as error:
            return [{"line": 1, "column": 1, "message": str(error)}]
        return []

    async def name(self, text: str) -> str:
        """What a picture of this config is called.

        Raises:
            ClipigError: the config is wrong.
        """
        return name_of(await self.alone(read, text, self.registry))

    async def alone(self, what: Callable[..., T], *arguments: Any) -> T:
        """What a function returns that may take a while."""
        async with self._alone:
            return await asyncio.to_thread(what, *arguments)

    async def schema(self) -> dict[str, Any]:
        """The JSON Schema of configs with all plugins that are installed."""
        if not self._schema:
            self._schema = await self.alone(kit.json_schema, self.registry)
        return self._schema

    def differences(self, before: str, after: str) -> list[dict[str, str]]:
        """What differs between two configs when all defaults are filled in, as `clipig diff` has it.

        Raises:
            ClipigError: one of them is wrong.
        """
        one, other = (told(read(text, self.registry)) for text in (before, after))
        found = [each for each in kit.differences(one, other) if each.path.partition(".")[0] not in UNTOLD]
        return [{"path": each.path, "before": written(each.before), "after": written(each.after)} for each in found]

    def examples(self) -> dict[str, str]:
        """The examples of clipig that need no file beside them, by name."""
        folder = files("clipig_studio") / "examples"
        found = [one for one in folder.iterdir() if one.name.endswith(".yaml")] if folder.is_dir() else []
        return {
            one.name.removesuffix(".yaml"): one.read_text("utf-8") for one in sorted(found, key=lambda one: one.name)
        }

    def looks(self) -> list[dict[str, str]]:
        """A config for each look."""
        return [{"name": name, "text": f"look: {name}\nvars:\n  text: fox\n"} for name in self.registry.names("look")]


def read(text: str, registry: Registry, outputs: Mapping[str, Any] | None = None) -> Plan:
    """The plan of the config in a text, with outputs that it has in any case. Loads torch.

    Raises:
        ClipigError: it is wrong.
    """
    node = kit.read_yaml(text, NAME)
    plan = kit.read([node], {}, registry)
    own = {use.component.name for use in plan.lists["outputs"]}
    more = [{name: about} for name, about in (outputs or {}).items() if name not in own]
    return kit.read([node, kit.Node.of({"outputs": more}, kit.Place("studio"))], {}, registry) if more else plan


def told(plan: Plan) -> dict[str, Any]:
    """Everything that a config says; a seed that is not given is none."""
    return {**plan.dump(), **({} if plan.settings.given("seed") else {"seed": None})}


def written(value: Any) -> str:
    """A value on one line."""
    return "(nothing)" if value is kit.ABSENT else json.dumps(value, ensure_ascii=False, default=str)


def name_of(plan: Plan) -> str:
    """A name for files: what is wanted first, as `red-fox` for `Red fox!`."""
    wanted = [str(feature.source.values["value"].source) for target in plan.targets for feature in target.features]
    return re.sub(r"[^\w]+", "-", wanted[0].lower() if wanted else "").strip("-")[:60] or "picture"


def _located(problem: Any) -> dict[str, Any]:
    """A problem as the page shows it; one of another place, such as a look, names that place."""
    place, message = problem.place, problem.message + (f" ({problem.hint})" if problem.hint else "")
    if place and place.source == NAME and place.line:
        return {"line": place.line, "column": place.column, "message": message}
    return {"line": 1, "column": 1, "message": str(problem)}
