"""Make images from words, from Python.

    import clipig

    clipig.make("fox").save("fox.png")
    clipig.make("demo.yaml", epochs=50)
    clipig.make({"look": "object", "vars": {"text": "fox"}}, on_step=lambda step: print(step.epoch, step.loss))

`Run` is the loop behind it: `for step in clipig.Run(clipig.read("demo.yaml")): ...`. torch is loaded when one of these
names is used first.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clipig_core.errors import ClipigError, InputError, PluginError, RunError

if TYPE_CHECKING:
    from clipig.door import make, read
    from clipig_core.engine.encoder import Encoder
    from clipig_core.engine.run import Run, Step
    from clipig_core.runner.execute import Observer, Result, execute

_WHERE = {
    "Encoder": "clipig_core.engine.encoder",
    "Observer": "clipig_core.runner.execute",
    "Result": "clipig_core.runner.execute",
    "Run": "clipig_core.engine.run",
    "Step": "clipig_core.engine.run",
    "execute": "clipig_core.runner.execute",
    "make": "clipig.door",
    "read": "clipig.door",
}

__all__ = [
    "ClipigError",
    "Encoder",
    "InputError",
    "Observer",
    "PluginError",
    "Result",
    "Run",
    "RunError",
    "Step",
    "execute",
    "make",
    "read",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'clipig' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
