"""What `import clipig` offers to programs and notebooks, in a few words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from clipig_core.config.check import read as read_plan
from clipig_core.config.plan import Plan
from clipig_core.engine.encoder import Encoder
from clipig_core.engine.run import Run, Step
from clipig_core.errors import InputError, Place
from clipig_core.extension.registry import Registry
from clipig_core.language.nodes import Node
from clipig_core.runner.execute import Observer, Result, execute

FILES = (".yaml", ".yml", ".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif")

What = str | Path | Mapping[str, Any]


def read(*sources: What, registry: Registry | None = None, **settings: Any) -> Plan:
    """The plan of some sources, merged from left to right, and of settings, which win.

    A source is a mapping, the path of a YAML file or of a picture that clipig made, or else words, which the default
    look paints. In messages, places inside of a mapping are paths such as `config.targets[0].weight`. Where a
    mapping names a component, it may have a function of yours instead: `"transforms": [sharpen, {"blur": 3}]`, or
    `{sharpen: {"amount": 2}}` with parameters, which the function declares as those of plugins do.

    Raises:
        InputError: with every problem that was found.
    """
    registry = registry or Registry()
    return read_plan([_source(source, registry) for source in sources], settings, registry)


def make(
    *sources: What,
    model: Encoder | str | None = None,
    on_step: Callable[[Step], None] | None = None,
    observers: Iterable[Observer] = (),
    stop: Callable[[], bool] = lambda: False,
    preview: bool = False,
    **settings: Any,
) -> Result:
    """Make a picture; what it can be made of says `read`.

    `model` is a name, or an object with the methods of an `Encoder`, which may serve many pictures; it is that of all
    targets that do not choose their own. `on_step` is called after each epoch; what it raises ends the run. With
    `preview`, the picture is shown in the notebook, or in the terminal, while it grows.

    Raises:
        InputError: the config is wrong.
        ClipigError: the run failed; with a picture to keep, `Result.error` says so instead.
    """
    if isinstance(model, str):
        settings["model"], model = model, None
    run = Run(read(*sources, **settings), encoder=model)
    if preview:
        shown: Observer = Registry().find("output", "preview").function(Path())
        observers = [*observers, shown]
    return execute(run, observers, stop, on_step)


def _named(value: Any, word: str, registry: Registry) -> Any:
    """A value of a config, under a word, with names in place of functions, which become components of the registry."""
    if isinstance(value, Mapping):
        return {_named(key, word, registry): _named(one, str(key), registry) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_named(one, word, registry) for one in value]
    if not callable(value):
        return value
    kinds = [kind.name for kind in registry.kinds.values() if word in (kind.name, kind.plural)]
    if not kinds:
        raise InputError(f"{value!r:.80} cannot stand under '{word}'; functions stand where components are named")
    return registry.add(kinds[0], value)


def _source(source: What, registry: Registry) -> str | Node:
    if isinstance(source, Mapping):
        return Node.of(_named(source, "", registry), Place("config"), paths=True)
    if isinstance(source, Path) or source.lower().endswith(FILES):
        return str(source)
    words = {"look": registry.default("look"), "vars": {"text": source}}
    return Node.of(words, Place("words"), paths=True)
