"""What is known without a run: what is wrong with a config, what may be written, and which looks there are."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from clipig_core import ClipigError, InputError, kit

if TYPE_CHECKING:
    from clipig_core.kit import Plan, Registry

NAME = "config.yaml"
"""How messages call what is in the editor."""

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
        async with self._alone:
            return name_of(await asyncio.to_thread(read, text, self.registry))

    async def schema(self) -> dict[str, Any]:
        """The JSON Schema of configs with all plugins that are installed."""
        async with self._alone:
            if not self._schema:
                self._schema = await asyncio.to_thread(kit.json_schema, self.registry)
        return self._schema

    def looks(self) -> list[dict[str, str]]:
        """A config for each look."""
        return [{"name": name, "text": f"look: {name}\nvars:\n  text: fox\n"} for name in self.registry.names("look")]


def read(text: str, registry: Registry) -> Plan:
    """The plan of the config in a text. Loads torch.

    Raises:
        ClipigError: it is wrong.
    """
    return kit.read([kit.read_yaml(text, NAME)], {}, registry)


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
