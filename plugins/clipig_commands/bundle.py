"""`clipig bundle`: a config with everything that it reads."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipig_commands.common import plan_of
from clipig_core import InputError, RunError
from clipig_core.kit import files

if TYPE_CHECKING:
    from clipig_core.kit import Plan


@click.command()
@click.argument("source", metavar="PICTURE", shell_complete=files)
@click.option("-o", "--output", help="A '.zip' file; without it NAME.zip beside the picture.")
@click.pass_context
def bundle(ctx: click.Context, source: str, output: str | None) -> None:
    """Pack PICTURE, its config and all files that this reads, for another machine.

    PICTURE is one that clipig made, or a config. Unpacked, NAME.yaml runs as it is: start images, feature images and
    checkpoints lie beside it. Models that are known by name are not packed; `requires` in the config says which
    plugins it needs.
    """
    path = Path(output) if output else Path(source).with_suffix(".zip")
    if path.suffix.lower() != ".zip":
        raise InputError(f"'{path}' is no '.zip' file")
    if os.path.lexists(path):
        raise InputError(f"'{path}' exists already; nothing was written")
    plan = plan_of(ctx, [source])
    from clipig_core.kit import plan_files

    contents: dict[str, Path] = plan_files(plan)
    name = Path(source).stem
    taken = {f"{name}.yaml", Path(source).name} & {*contents}
    if taken:
        raise InputError(f"the config reads a file that is called like the bundle's own '{taken.pop()}'; rename it")
    try:
        pack(path, name, Path(source), plan, contents)
    except FileExistsError:
        raise InputError(f"'{path}' exists already; nothing was written") from None
    except OSError as error:
        raise RunError(f"cannot write '{path}': {error.strerror or error}") from None
    click.echo(path)


def pack(path: Path, name: str, source: Path, plan: Plan, contents: dict[str, Path]) -> None:
    """Write the archive, whole or not at all.

    Raises:
        OSError: it cannot be written, or there is one.
    """
    from clipig_core.kit import as_yaml

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"{name}/{name}.yaml", as_yaml(plan))
                if source.is_file() and source.suffix.lower() not in (".yaml", ".yml"):
                    archive.write(source, f"{name}/{source.name}")
                for inside, outside in contents.items():
                    archive.write(outside, f"{name}/{inside}")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
