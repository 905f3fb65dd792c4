"""`clipig new-plugin`: the beginning of a plugin."""

from __future__ import annotations

import click

FILES = (
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "clipig_sepia/__init__.py",
    "clipig_sepia/sepia.py",
    "tests/test_sepia.py",
)
"""The files of `template/`: a plugin by the name of sepia, which stands for the new one wherever it is written."""


@click.command("new-plugin")
@click.argument("name")
@click.option("-o", "--output", default=".", metavar="DIR", help="Where to put it; the current directory by default.")
def new_plugin(name: str, output: str) -> None:
    """Begin a plugin of your own: a package that works.

    Writes the folder clipig-NAME with a package, its tests and a README. It provides one transform, NAME, can be
    installed and passes its tests; what it does is yours to change. NAME has letters, digits and '-'. A folder that
    exists is left alone.
    """
    import shlex
    from importlib.resources import files
    from pathlib import Path

    from clipig_core.errors import InputError

    name = checked(name)
    folder = Path(output) / f"clipig-{name}"
    template = files("clipig_cli") / "template"
    try:
        folder.mkdir(parents=True)
        for file in FILES:
            path = folder / renamed(file, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(renamed((template / file).read_text("utf-8"), name), "utf-8")
    except FileExistsError:
        raise InputError(f"'{folder}' exists already; nothing was written") from None
    except OSError as error:
        raise InputError(f"cannot write to '{folder}': {error.strerror}") from None
    click.echo(folder)
    click.echo(
        "It is whole already; change what it does, then try it:\n"
        f"  pip install -e {shlex.quote(f'{folder}[test]')}\n"
        f"  pytest {shlex.quote(str(folder))}\n"
        f"  clipig plugins {identifier(name)}",
        err=True,
    )


def checked(name: str) -> str:
    """The name in its normal form, `soft-glow` for `Soft_Glow` and `clipig-soft-glow`.

    Raises:
        InputError: it cannot name a distribution, a module and a transform, or does already.
    """
    import builtins
    import importlib.util
    import keyword
    import re

    from clipig_core.errors import InputError, Problem
    from clipig_core.extension.kinds import TRANSFORM
    from clipig_core.extension.registry import Registry

    normal = re.sub(r"[-_.]+", "-", name).lower().removeprefix("clipig-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", normal):
        raise InputError(
            Problem(f"'{name}' cannot name a plugin", hint="expected letters, digits and '-', a letter first")
        )
    word = identifier(normal)
    if (
        keyword.iskeyword(word)
        or hasattr(builtins, word)
        or word in {*TRANSFORM.taken(), "torch"}
        or word.startswith(("test", "check"))
    ):
        raise InputError(
            Problem(
                f"'{name}' cannot name a plugin", hint="Python, pytest or a config would take it for something else"
            )
        )
    for plugin in Registry().plugins:
        if word in (plugin.name, *(c.name for c in plugin.components if c.kind == TRANSFORM.name)):
            raise InputError(f"the name '{word}' is taken by {plugin.describe()}; choose another")
    if importlib.util.find_spec(f"clipig_{word}"):
        raise InputError(f"the name '{word}' is taken by the package 'clipig_{word}'; choose another")
    return normal


def identifier(name: str) -> str:
    """What a name is in Python and in configs: `soft_glow` for `soft-glow`."""
    return name.replace("-", "_")


def renamed(text: str, name: str) -> str:
    """A text of the template with the new name."""
    import re

    return re.sub("clipig-sepia|sepia", lambda found: f"clipig-{name}" if "-" in found[0] else identifier(name), text)
