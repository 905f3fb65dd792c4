"""The core of clipig, and what plugin authors need. Importing it loads neither torch nor any plugin."""

from clipig_core.errors import ClipigError, InputError, PluginError, Problem, RunError
from clipig_core.extension.hooks import hookimpl
from clipig_core.extension.kinds import Entry
from clipig_core.language.params import File, Floats2, Floats3, Floats4, Ints2, Param, Resized

__all__ = [
    "ClipigError",
    "Entry",
    "File",
    "Floats2",
    "Floats3",
    "Floats4",
    "InputError",
    "Ints2",
    "Param",
    "PluginError",
    "Problem",
    "Resized",
    "RunError",
    "hookimpl",
]
