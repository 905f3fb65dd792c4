"""What plugins are made of: tensors that are views of a picture, resampling, penalties; and runs, for commands.

Together with `clipig_core` and `clipig_core.testing` this is the whole face of clipig for plugins. What lies deeper may
move; what is here stays, by the rule of the page on stability. A name is imported when it is used first, so that a
command that only reads configs does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipig_core.config import Plan, read
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
    from clipig_core.runner.files import Output, save

_WHERE = {
    "config": ("Plan", "read"),
    "downloads": ("FetchError", "fetch"),
    "engine.canvas": ("Canvas",),
    "engine.device": ("numbers",),
    "engine.encoder": ("Encoder", "fit"),
    "engine.run": ("Run", "Step"),
    "extension.registry": ("Registry",),
    "imaging.clamp": ("clamp_through",),
    "imaging.images": ("read_image", "to_png"),
    "imaging.resample": ("Banded", "banded", "product", "resample"),
    "imaging.views": ("Axis", "Pixels", "Views", "lazy"),
    "penalty": ("Above", "Below", "Loss", "beyond", "difference"),
    "runner.execute": ("Observer", "Result", "execute"),
    "runner.files": ("Output", "save"),
}
_MODULES = {name: f"clipig_core.{module}" for module, names in _WHERE.items() for name in names}

__all__ = [
    "Above",
    "Axis",
    "Banded",
    "Below",
    "Canvas",
    "Encoder",
    "FetchError",
    "Loss",
    "Observer",
    "Output",
    "Pixels",
    "Plan",
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
    "read",
    "read_image",
    "resample",
    "save",
    "to_png",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'clipig_core.kit' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
