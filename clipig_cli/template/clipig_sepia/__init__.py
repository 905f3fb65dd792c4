"""A plugin for clipig: the names of its components, and the functions behind them."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {
        "sepia": "clipig_sepia.sepia:sepia",
    }
