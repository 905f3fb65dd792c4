"""The studio: a window in the browser, in which a picture grows while its config is edited."""

from __future__ import annotations

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_commands() -> Mapping[str, str]:
    """The command `clipig studio`."""
    return {"studio": "clipig_studio.command:studio"}
