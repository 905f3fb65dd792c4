"""The core of clipig, and what plugin authors need. Importing it loads neither torch nor any plugin."""

from clipig_core.errors import ClipigError, InputError, PluginError, Problem, RunError
from clipig_core.extension.hooks import hookimpl
from clipig_core.extension.kinds import Entry
from clipig_core.language.params import Floats2, Floats4, Ints2, Resized
from clipig_core.language.types import Choice, Color, File, Floats3, Nested, Numbers, Param, Pattern, Type

__all__ = [
    "Choice",
    "ClipigError",
    "Color",
    "Entry",
    "File",
    "Floats2",
    "Floats3",
    "Floats4",
    "InputError",
    "Ints2",
    "Nested",
    "Numbers",
    "Param",
    "Pattern",
    "PluginError",
    "Problem",
    "Resized",
    "RunError",
    "Type",
    "hookimpl",
]
