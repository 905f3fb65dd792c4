"""Colours of pixels: arithmetic on channels."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {"mul": "clipig_color.arithmetic:mul"}
