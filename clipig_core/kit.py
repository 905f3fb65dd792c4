"""What plugins are made of: tensors that are views of a picture, resampling, penalties; and runs, for commands.

Together with `clipig_core` and `clipig_core.testing` this is the whole face of clipig for plugins. What lies deeper may
move; what is here stays, by the rule of the page on stability. A name is imported when it is used first, so that a
command that only reads configs does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipig_core.config.check import check, choice, read
    from clipig_core.config.differences import ABSENT, Difference, differences
    from clipig_core.config.document import Document
    from clipig_core.config.json_schema import json_schema
    from clipig_core.config.keys import Key, keys
    from clipig_core.config.options import SettingsCommand, config_options, given, rewritten, run_options
    from clipig_core.config.plan import Plan, Use
    from clipig_core.config.timeline import Lane, Timeline, remarks, timeline
    from clipig_core.downloads import FetchError, fetch
    from clipig_core.embedded import comment, exif
    from clipig_core.engine.assembly import Models
    from clipig_core.engine.canvas import Canvas
    from clipig_core.engine.device import find_device, find_precision, numbers
    from clipig_core.engine.encoder import Encoder, fit, prepare
    from clipig_core.engine.run import Run, Step
    from clipig_core.errors import Place, nearest, printable
    from clipig_core.extension.arguments import pair
    from clipig_core.extension.completion import files, names_of
    from clipig_core.extension.documentation import beside, page_of_parameter, parameters
    from clipig_core.extension.registry import Registry
    from clipig_core.imaging.clamp import clamp_through
    from clipig_core.imaging.images import ImageFile, Picture, read_image, to_image, to_png
    from clipig_core.imaging.resample import Banded, banded, product, resample
    from clipig_core.imaging.sheet import contact_sheet, thumbnail
    from clipig_core.imaging.views import Axis, Pixels, Views, lazy
    from clipig_core.language.nodes import Node
    from clipig_core.language.params import Declaration, declarations
    from clipig_core.language.yaml import read_file, read_text, read_yaml
    from clipig_core.machine import cores, free_memory, gpus
    from clipig_core.penalty import Above, Below, Loss, beyond, difference
    from clipig_core.runner.background import Background, Rhythm
    from clipig_core.runner.execute import Observer, Result, execute
    from clipig_core.runner.files import Output, adopt, save
    from clipig_core.runner.forecast import Forecast, forecast
    from clipig_core.runner.outputs import outputs
    from clipig_core.runner.picture import PictureFile
    from clipig_core.runner.provenance import as_yaml, inside, plan_files, provenance

_WHERE = {
    "config.check": ("check", "choice", "read"),
    "config.differences": ("ABSENT", "Difference", "differences"),
    "config.document": ("Document",),
    "config.json_schema": ("json_schema",),
    "config.keys": ("Key", "keys"),
    "config.options": ("SettingsCommand", "config_options", "given", "rewritten", "run_options"),
    "config.plan": ("Plan", "Use"),
    "config.timeline": ("Lane", "Timeline", "remarks", "timeline"),
    "downloads": ("FetchError", "fetch"),
    "embedded": ("comment", "exif"),
    "engine.assembly": ("Models",),
    "engine.canvas": ("Canvas",),
    "engine.device": ("find_device", "find_precision", "numbers"),
    "engine.encoder": ("Encoder", "fit", "prepare"),
    "engine.run": ("Run", "Step"),
    "errors": ("Place", "nearest", "printable"),
    "extension.arguments": ("pair",),
    "extension.completion": ("files", "names_of"),
    "extension.documentation": ("beside", "page_of_parameter", "parameters"),
    "extension.registry": ("Registry",),
    "imaging.clamp": ("clamp_through",),
    "imaging.images": ("ImageFile", "Picture", "read_image", "to_image", "to_png"),
    "imaging.resample": ("Banded", "banded", "product", "resample"),
    "imaging.sheet": ("contact_sheet", "thumbnail"),
    "imaging.views": ("Axis", "Pixels", "Views", "lazy"),
    "language.nodes": ("Node",),
    "language.params": ("Declaration", "declarations"),
    "language.yaml": ("read_file", "read_text", "read_yaml"),
    "machine": ("cores", "free_memory", "gpus"),
    "penalty": ("Above", "Below", "Loss", "beyond", "difference"),
    "runner.background": ("Background", "Rhythm"),
    "runner.execute": ("Observer", "Result", "execute"),
    "runner.files": ("Output", "adopt", "save"),
    "runner.forecast": ("Forecast", "forecast"),
    "runner.outputs": ("outputs",),
    "runner.picture": ("PictureFile",),
    "runner.provenance": ("as_yaml", "inside", "plan_files", "provenance"),
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
    "Declaration",
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
    "SettingsCommand",
    "Step",
    "Timeline",
    "Use",
    "Views",
    "adopt",
    "as_yaml",
    "banded",
    "beside",
    "beyond",
    "check",
    "choice",
    "clamp_through",
    "comment",
    "config_options",
    "contact_sheet",
    "cores",
    "declarations",
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
    "free_memory",
    "given",
    "gpus",
    "inside",
    "json_schema",
    "keys",
    "lazy",
    "names_of",
    "nearest",
    "numbers",
    "outputs",
    "page_of_parameter",
    "pair",
    "parameters",
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
    "rewritten",
    "run_options",
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
