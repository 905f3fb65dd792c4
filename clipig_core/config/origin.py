"""Where the components of a picture came from, as its heading says, for those who have not all of them."""

from __future__ import annotations

import contextlib
import re

from clipig_core.config.plan import Use
from clipig_core.errors import InputError
from clipig_core.language.nodes import text_of


def origin(use: Use) -> str:
    """The line of the heading for a component of others."""
    plugin = use.component.plugin
    return f"{use.component.kind} '{use.name}' is of {plugin.distribution} {plugin.version}"


def advice(source: str, kind: str, name: str) -> str:
    """How to get a component that is not installed, if the heading of a config says where it was; else nothing."""
    line = rf"# {re.escape(kind)} '{re.escape(name)}' is of ([A-Za-z0-9][A-Za-z0-9._-]*) "
    with contextlib.suppress(InputError, OSError, UnicodeError, ValueError):
        for comment in text_of(source).splitlines():
            if not comment.startswith("#"):
                break
            if found := re.match(line, comment):
                return f"the picture was made with {found[1]}: pip install {found[1]}"
    return ""
