"""Options that commands share: those that change a config, one for each setting of it, and those of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeVar

import click

from clipig_core.config.sections import CHOICES, Settings
from clipig_core.extension.completion import names_of
from clipig_core.extension.kinds import KINDS
from clipig_core.language.params import declarations

F = TypeVar("F", bound=Callable[..., object])

SHORT = {
    "device": "-d",
    "epochs": "-e",
    "learnrate": "-lr",
    "model": "-m",
    "optimizer": "-opt",
    "output": "-o",
    "resolution": "-r",
    "snapshot_interval": "-s",
    "verbose": "-v",
}
"""Options that have a short form."""


class SettingsCommand(click.Command):
    """A command with an option for each setting of a run, and for each kind of component that it picks one of.

    For click: `@click.command(cls=SettingsCommand, without=("output",))`. The function gets those that are given as
    texts, by the names of the settings, and the others as None; `given` makes of them what `read` takes.
    """

    def __init__(self, *args: Any, without: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        about = {name: setting.param.doc for name, setting in declarations(Settings).items()}
        about |= {name: KINDS[name].meaning for name in CHOICES}
        for name in sorted(about.keys() - {*without}):
            spelled = (*([SHORT[name]] if name in SHORT else []), f"--{name.replace('_', '-')}")
            completion = names_of(name) if name in CHOICES else None
            self.params.append(click.Option((*spelled, name), help=about[name], shell_complete=completion))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`-r 640 480` is one option with two numbers."""
        joined: list[str] = []
        for arg in args:
            if len(joined) > 1 and joined[-2] in ("-r", "--resolution") and arg.isdigit() and joined[-1].isdigit():
                joined[-1] += f" {arg}"
            else:
                joined.append(arg)
        return super().parse_args(ctx, joined)


_CONFIG = (
    click.option(
        "--look",
        help="A ready-made config to start from; 'clipig plugins' lists them.",
        shell_complete=names_of("look"),
    ),
    click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A value for {{NAME}} in configs."),
    click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any parameter: targets.0.weight=2."),
)
_RUN = (
    click.option(
        "--out",
        "outputs",
        multiple=True,
        metavar="OUTPUT",
        help="What to write beside the picture: video.mp4, log, 'sheet: 12'; 'clipig plugins' lists them.",
        shell_complete=names_of("output"),
    ),
    click.option(
        "--checkpoint", is_flag=True, help="Short for '--out checkpoint', from which 'clipig resume' goes on."
    ),
    click.option("--preview", is_flag=True, help="Show the picture in the terminal while it grows."),
    click.option(
        "--allow-private", is_flag=True, help="Let URLs in configs lead to your own network, and through your proxy."
    ),
    click.option(
        "--json", "structured", is_flag=True, help="Print how it went as JSON instead of the path, on one line."
    ),
)


def config_options(command: F) -> F:
    """The options `--look`, `--var` and `--set`, as `look`, `variables` and `changes`."""
    return reduce(lambda function, option: option(function), reversed(_CONFIG), command)


def run_options(command: F) -> F:
    """Those of `clipig run` that say what is written and shown: `--out`, `--checkpoint`, `--preview` and others."""
    return reduce(lambda function, option: option(function), reversed(_RUN), command)


def given(options: Mapping[str, str | None]) -> dict[str, object]:
    """The values of options as a config has them: numbers and expressions are YAML, all else is text.

    Raises:
        InputError: a number is not even YAML.
    """
    from clipig_core.language.yaml import read_yaml

    settings = declarations(Settings)
    return {
        name: read_yaml(value, f"--{name.replace('_', '-')}").plain_value()
        if name in settings and settings[name].type.numeric
        else value
        for name, value in options.items()
        if value is not None
    }


def rewritten(ctx: click.Context, without: Sequence[str] = ()) -> list[str]:
    """The options that a command was given, as they are written for another one that has them, too."""
    words: list[str] = []
    for option in ctx.command.params:
        value = ctx.params.get(option.name or "")
        if not isinstance(option, click.Option) or option.name in without or value in (None, (), False):
            continue
        name = max(option.opts, key=len)
        words += [name] if value is True else [f"{name}={one}" for one in (value if option.multiple else [value])]
    return words
