"""Filters that mix neighbouring pixels."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {"blur": "clipig_filters.blur:blur"}


@hookimpl
def clipig_constraints() -> Mapping[str, str]:
    return {"blur": "clipig_filters.blur:keep_blurred"}
