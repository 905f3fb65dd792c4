"""What plugins are made of: tensors that are views of a picture, resampling, penalties; and runs, for commands.

Together with `clipig_core` and `clipig_core.testing` this is the whole face of clipig for plugins. What lies deeper may
move; what is here stays, by the rule of the page on stability. A name is imported when it is used first, so that a
command that only reads configs does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

_WHERE = {
    "config": ("Document", "Plan", "Use", "check", "choice", "read"),
    "config.differences": ("ABSENT", "Difference", "differences"),
    "config.json_schema": ("json_schema",),
    "config.keys": ("Key", "keys"),
    "config.timeline": ("Lane", "Timeline", "remarks", "timeline"),
    "downloads": ("FetchError", "fetch"),
    "embedded": ("comment", "exif"),
    "engine.assembly": ("Models",),
    "engine.canvas": ("Canvas",),
    "engine.device": ("find_device", "find_precision", "numbers"),
    "engine.encoder": ("Encoder", "fit", "prepare"),
    "engine.run": ("Run", "Step"),
    "errors": ("Place", "nearest", "printable"),
    "extension.completion": ("files", "names_of"),
    "extension.documentation": ("beside",),
    "extension.registry": ("Registry",),
    "imaging.clamp": ("clamp_through",),
    "imaging.images": ("ImageFile", "Picture", "read_image", "to_image", "to_png"),
    "imaging.resample": ("Banded", "banded", "product", "resample"),
    "imaging.sheet": ("contact_sheet", "thumbnail"),
    "imaging.views": ("Axis", "Pixels", "Views", "lazy"),
    "language.nodes": ("Node", "read_file", "read_text", "read_yaml"),
    "penalty": ("Above", "Below", "Loss", "beyond", "difference"),
    "runner.background": ("Background", "Rhythm"),
    "runner.execute": ("Observer", "Result", "execute"),
    "runner.files": ("Output", "save"),
    "runner.forecast": ("Forecast", "forecast"),
    "runner.outputs": ("outputs",),
    "runner.picture": ("PictureFile",),
    "runner.provenance": ("as_yaml", "plan_files", "provenance"),
}
_MODULES = {name: f"clipig_core.{module}" for module, names in _WHERE.items() for name in names}

__all__ = [
    "ABSENT",
    "Above",
    "Axis",
    "Background",
    "Banded",
    "Below",
    "Canvas",
    "Difference",
    "Document",
    "Encoder",
    "FetchError",
    "Forecast",
    "ImageFile",
    "Key",
    "Lane",
    "Loss",
    "Models",
    "Node",
    "Observer",
    "Output",
    "Picture",
    "PictureFile",
    "Pixels",
    "Place",
    "Plan",
    "Registry",
    "Result",
    "Rhythm",
    "Run",
    "Step",
    "Timeline",
    "Use",
    "Views",
    "as_yaml",
    "banded",
    "beside",
    "beyond",
    "check",
    "choice",
    "clamp_through",
    "comment",
    "contact_sheet",
    "difference",
    "differences",
    "execute",
    "exif",
    "fetch",
    "files",
    "find_device",
    "find_precision",
    "fit",
    "forecast",
    "json_schema",
    "keys",
    "lazy",
    "names_of",
    "nearest",
    "numbers",
    "outputs",
    "plan_files",
    "prepare",
    "printable",
    "product",
    "provenance",
    "read",
    "read_file",
    "read_image",
    "read_text",
    "read_yaml",
    "remarks",
    "resample",
    "save",
    "thumbnail",
    "timeline",
    "to_image",
    "to_png",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'clipig_core.kit' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
