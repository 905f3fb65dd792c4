"""Listing stays quick with many plugins: what it imports is theirs to keep small, the rest is clipig's."""

from __future__ import annotations

import re
import resource
from pathlib import Path

from tests.installed.support import Environment, provide, write_wheel

PLUGINS = 30
LIMIT = 0.5
COMPONENT = '''
def {name}(images: Tensor, amount: Annotated[float, Param("How much of it.", min=0)] = 1.0) -> Tensor:
    """Does what it is called."""
    if amount:
        images = images * (1 - amount) + amount * images.flip(3)
    return images
'''
COMMAND = '''

@click.command()
def {name}() -> None:
    """Does what a command does."""
'''
HEAD = "import click\nfrom typing import Annotated\n\nfrom clipig_core import Param\nfrom torch import Tensor\n"


def seconds(environment: Environment, *args: str) -> float:
    """Of CPU time, for a listing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = environment.clipig(*args)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert f"plugin{PLUGINS - 1}" in done.stdout
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_thirty_plugins_are_listed_in_half_a_second_without_torch(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment")
    wheels = []
    for number in range(PLUGINS):
        plugin = f"plugin{number}"
        names = [f"{plugin}_{word}" for word in ("swirl", "glow", "fade", "tint")]
        functions = f"{plugin}_functions"
        modules = {
            plugin: provide("transforms", **{name: f"{functions}:{name}" for name in names})
            + f"\n\n@hookimpl\ndef clipig_commands():\n    return {{{plugin!r}: {f'{functions}:{plugin}'!r}}}\n",
            functions: HEAD + "\n".join(COMPONENT.format(name=name) for name in names) + COMMAND.format(name=plugin),
        }
        requires = ["clipig>=0.1", "torch", 'pytest; extra == "test"']
        wheels.append(write_wheel(tmp_path, plugin, modules, requires, readme="What it does. " * 500))
    environment.install(*wheels)

    listing = environment.listing()
    assert [listing[f"plugin{number}"]["status"] for number in range(PLUGINS)] == ["ok"] * PLUGINS
    assert min(seconds(environment, "plugins") for _ in range(3)) < LIMIT
    assert min(seconds(environment, "--help") for _ in range(3)) < LIMIT

    imports = environment.clipig("plugins", PYTHONPROFILEIMPORTTIME="1").stderr
    assert re.search(r"\| +clipig_core.extension.registry$", imports, re.MULTILINE)
    assert not re.search(r"\| +torch$", imports, re.MULTILINE)
