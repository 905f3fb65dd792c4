"""Commands of plugins: in the help without being imported, imported when they are invoked, harmless when broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.support import clipig, install

HOOKS = """\
from clipig_core import Entry, hookimpl
@hookimpl
def clipig_commands():
    return {
        "greet": "acme_commands:greet",
        "wave": Entry("acme_commands:greet", summary="Wave to somebody."),
        "gone": "acme_commands:gone",
        "late": "acme_late:late",
        "plain": "acme_commands:plain",
        "run": "acme_commands:greet",
        "schema": "acme_commands:greet",
    }
"""
COMMANDS = '''\
import click
import torch
@click.command()
@click.argument("name")
def greet(name):
    """Greet somebody. By name."""
    click.echo(f"hello {name}")
def plain(): ...
'''


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    (tmp_path / "acme_commands.py").write_text(COMMANDS)
    (tmp_path / "acme_late.py").write_text('import acme_missing\ndef late():\n    """Come late."""\n')
    return install(tmp_path, "acme", HOOKS)


def test_help_lists_them_without_importing_them(acme: Path) -> None:
    done = clipig(acme, "--help", PYTHONPATH=str(acme), PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert not re.search(r"\| +(torch|acme_commands|acme_late)$", done.stderr, re.MULTILINE)
    for line in (
        "greet +Greet somebody.",
        "wave +Wave to somebody.",
        "late +Come late.",
        "schema +Print a JSON Schema",
    ):
        assert re.search(f"^  {line}", done.stdout, re.MULTILINE)
    assert re.search(r"^  gone +BROKEN: command 'gone' of plugin 'acme' ", done.stdout, re.MULTILINE)
    assert re.search("^  run +Make a picture", done.stdout, re.MULTILINE)


def test_they_run(acme: Path) -> None:
    for name in ("greet", "acme/greet"):
        done = clipig(acme, name, "Ann", PYTHONPATH=str(acme))
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello Ann\n", "")


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("gone", 2, "command 'gone' of plugin 'acme' (acme 1.0) is broken: module 'acme_commands' has no 'gone'"),
        ("late", 1, "command 'late' of plugin 'acme' (acme 1.0) cannot be loaded: ModuleNotFoundError"),
        ("plain", 1, "TypeError: 'acme_commands:plain' is not a click command"),
        ("gret", 2, "No such command 'gret'"),
    ],
)
def test_broken_ones_say_why(acme: Path, name: str, code: int, reason: str) -> None:
    done = clipig(acme, name, PYTHONPATH=str(acme))
    assert (done.returncode, done.stdout) == (code, "")
    assert reason in done.stderr


def test_those_of_a_disabled_plugin_are_not_there(tmp_path: Path) -> None:
    text = clipig(tmp_path, "--help", CLIPIG_DISABLE="cli").stdout
    assert "  run " in text
    assert "schema" not in text
