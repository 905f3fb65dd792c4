"""The command line, and the plugin with the commands that come with clipig.

Commands import what they need when they run, so that help and listings start at once. All of them but `run` come from
plugins.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from clipig_core import hookimpl
from clipig_core.errors import ClipigError, InputError, nearest, printable, printable_lines
from clipig_core.extension.kinds import COMMAND

FILES = (".yaml", ".yml", ".png", ".jpg", ".jpeg", ".webp", ".avif")
RUN = "clipig_cli.run:run"
ELSEWHERE = {"studio": "clipig-studio"}
"""Commands of distributions that belong to clipig, but do not come with it."""

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from clipig_core.extension.registry import Registry


@hookimpl
def clipig_commands() -> Mapping[str, str]:
    """The commands that come with clipig."""
    return {
        "new-plugin": "clipig_cli.new_plugin:new_plugin",
        "plugins": "clipig_cli.plugins:plugins",
        "schema": "clipig_cli.schema:schema",
    }


class Commands(click.Group):
    """A group with the commands of plugins, which are imported when they are invoked."""

    def registry(self, ctx: click.Context) -> Registry:
        """What is installed, looked up once; commands find it with `ctx.find_object(Registry)`."""
        from clipig_core.extension.registry import Registry

        if ctx.obj is None:
            with contextlib.redirect_stdout(sys.stderr):  # of plugins that print when they are imported
                ctx.obj = Registry()
        found: Registry = ctx.obj
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, broken ones included."""
        return sorted({"run", *self.registry(ctx).names(COMMAND.name)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; one of a plugin is imported."""
        loaded: click.Command
        if cmd_name == "run":
            loaded = COMMAND.load(RUN)
            return loaded
        if cmd_name not in self.registry(ctx).names(COMMAND.name) and "/" not in cmd_name:
            return None
        try:
            loaded = self.registry(ctx).find(COMMAND.name, cmd_name).loaded
        except LookupError as error:
            raise InputError(error.args[0]) from None
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with a sentence for each, none of which is imported."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx).items()))

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """A sentence for each command."""
        return {printable(name): self.described(ctx, name) for name in self.list_commands(ctx)}

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and options; no command is imported for its name."""
        from click.shell_completion import CompletionItem

        begun = {name: text for name, text in self.summaries(ctx).items() if name.startswith(incomplete)}
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=text) for name, text in sorted(begun.items())), *options]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; a file is no command, but can be run."""
        name = args[0]
        if name.startswith("-") or self.get_command(ctx, name):
            return super().resolve_command(ctx, args)
        if name.lower().endswith(FILES):
            raise click.UsageError(
                f"No such command '{name}'. To make a picture of it: clipig run {shlex.quote(name)}", ctx
            )
        if name in ELSEWHERE:
            hint = f"It comes with another distribution: pip install {ELSEWHERE[name]}"
            raise click.UsageError(f"No such command '{name}'. {hint}", ctx)
        near = nearest(name, self.list_commands(ctx))
        raise click.UsageError(f"No such command '{name}'.{f' {near.capitalize()}' if near else ''}", ctx)

    def described(self, ctx: click.Context, name: str) -> str:
        """What a command is for, or what is wrong with that of a plugin."""
        if name == "run":
            return COMMAND.about(RUN)
        try:
            return printable(self.registry(ctx).find(COMMAND.name, name).summary)
        except LookupError as error:
            return printable(f"BROKEN: {error.args[0]}")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clipig", prog_name="clipig")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Make images from words: YAML configs, CLIP, and gradient descent on the pixels themselves."""
    ctx.meta["clipig.go_on"] = go_on  # for the commands of plugins
    # Threads that spin while they wait make a run several times slower when another program uses a core, too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def go_on(*args: Any) -> bool:
    """`clipig_cli.run.go_on`, imported when it is needed."""
    from clipig_cli.run import go_on

    return go_on(*args)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the run failed, 2 the input is wrong, 130 interrupted."""
    # Threads that spin while they wait make a run several times slower when another program uses a core, too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if sys.stderr is None:  # closed by the caller; libraries expect that it is there
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - it stays open to the end
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        vars(error)["message"] = printable_lines(error.message)  # it quotes arguments
        error.show()
        sys.exit(error.exit_code)
    except ClipigError as error:
        click.echo(printable_lines(str(error)), err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except OSError as error:  # nobody reads stdout, or it is full
        if not isinstance(error, BrokenPipeError):
            click.echo(f"cannot write: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's last flush succeeds
        sys.exit(1)
