"""What the page on commands shows is what they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from clipig_cli import cli
from clipig_core.extension.registry import Registry

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")
SHOWN = re.findall(r"^\$ clipig (.*?)(?: +#.*)?\n((?:(?!\$ |```).*\n)*)", PAGE, re.MULTILINE)
PRINTED = [(line, text) for line, text in SHOWN if text and line.split()[0] in ("explain", "help", "words")]


@pytest.mark.parametrize(("line", "text"), PRINTED, ids=[line for line, _ in PRINTED])
def test_it_prints_what_the_page_shows(line: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    args = [*shlex.split(line), *(["--no-trial"] if line.startswith("explain") else [])]
    done = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert done.stdout.rstrip() == text.rstrip()


@pytest.mark.parametrize("line", [line for line, _ in SHOWN])
def test_commands_and_options_are_there(line: str) -> None:
    name, *args = shlex.split(line)
    context = click.Context(cli, obj=Registry())
    command = cli.get_command(context, name)
    assert command
    command.make_context(name, args, parent=context)


def test_every_command_of_the_plugin_is_on_the_page() -> None:
    for plugin in Registry().plugins:
        if plugin.name == "commands":
            assert {c.name for c in plugin.components} <= {line.split()[0] for line, _ in SHOWN}
