"""What plugins compute with: tensors that are views of a picture, resampling, penalties, and the protocols of core.

Commands and outputs find here what they need around a run: the registry, checked configs, runs and their observers.

Together with `clipig_core` and `clipig_core.testing` this is the whole face of clipig for plugins. What lies deeper may
move; what is here stays, by the rule of the page on stability. A name is loaded when it is imported from here, so one
that needs no torch loads none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipig_core.config import Config
    from clipig_core.config import read as read_config
    from clipig_core.downloads import FetchError, fetch
    from clipig_core.engine.canvas import Canvas
    from clipig_core.engine.device import numbers
    from clipig_core.engine.encoder import Encoder, fit
    from clipig_core.engine.run import Run, Step
    from clipig_core.extension.registry import Registry
    from clipig_core.imaging.clamp import clamp_through
    from clipig_core.imaging.images import read_image, to_png
    from clipig_core.imaging.resample import Banded, banded, product, resample
    from clipig_core.imaging.views import Axis, Pixels, Views, lazy
    from clipig_core.penalty import Above, Below, Loss, beyond, difference
    from clipig_core.runner.execute import Observer, Result, execute

_WHERE = {
    "Above": "penalty",
    "Axis": "imaging.views",
    "Banded": "imaging.resample",
    "Below": "penalty",
    "Canvas": "engine.canvas",
    "Config": "config",
    "Encoder": "engine.encoder",
    "FetchError": "downloads",
    "Loss": "penalty",
    "Observer": "runner.execute",
    "Pixels": "imaging.views",
    "Registry": "extension.registry",
    "Result": "runner.execute",
    "Run": "engine.run",
    "Step": "engine.run",
    "Views": "imaging.views",
    "banded": "imaging.resample",
    "beyond": "penalty",
    "clamp_through": "imaging.clamp",
    "difference": "penalty",
    "execute": "runner.execute",
    "fetch": "downloads",
    "fit": "engine.encoder",
    "lazy": "imaging.views",
    "numbers": "engine.device",
    "product": "imaging.resample",
    "read_config": "config:read",
    "read_image": "imaging.images",
    "resample": "imaging.resample",
    "to_png": "imaging.images",
}
"""The module of each name; behind a colon, what it is called there."""

__all__ = [
    "Above",
    "Axis",
    "Banded",
    "Below",
    "Canvas",
    "Config",
    "Encoder",
    "FetchError",
    "Loss",
    "Observer",
    "Pixels",
    "Registry",
    "Result",
    "Run",
    "Step",
    "Views",
    "banded",
    "beyond",
    "clamp_through",
    "difference",
    "execute",
    "fetch",
    "fit",
    "lazy",
    "numbers",
    "product",
    "read_config",
    "read_image",
    "resample",
    "to_png",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'clipig_core.kit' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(importlib.import_module(f"clipig_core.{module}"), attribute or name)


def __dir__() -> list[str]:
    return __all__
