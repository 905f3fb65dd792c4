"""A small CLIP that comes with clipig: it knows a thousand emoji by name, and runs anywhere at once."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_models() -> Mapping[str, str]:
    return {"emoji": "clipig_emoji.model:emoji"}
