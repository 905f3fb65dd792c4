"""`clipig rate`: which pictures show best what they should."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipig_core import InputError
from clipig_core.kit import printable

if TYPE_CHECKING:
    from clipig_sweep.judge import Judge

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
FORMATS = (".csv", ".json", ".html")

Row = dict[str, Any]


@click.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("-m", "--model", default="photo", help="The model that judges; photo if not given.")
@click.option("-t", "--text", "texts", multiple=True, help="What pictures are compared with; else their own texts.")
@click.option("-i", "--image", "images", multiple=True, metavar="FILE", help="A picture to compare with.")
@click.option("--sort", metavar="COLUMN", help="Best first by this column; the mean if not given. 'picture' is A to Z.")
@click.option("-o", "--output", metavar="FILE", help="Write the table to a new .csv, .json or .html file.")
@click.option("--json", "as_json", is_flag=True, help="Print the table for machines.")
@click.pass_context
def rate(
    ctx: click.Context,
    pictures: tuple[str, ...],
    model: str,
    texts: tuple[str, ...],
    images: tuple[str, ...],
    sort: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Compare pictures, or folders of pictures, with texts and with other pictures.

    A figure is 100 times the cosine between features. Choose a model that did not paint the pictures: one likes its own
    work. Features are remembered by content, so a picture is looked at once. A terminal gets a table, a pipe gets CSV.

    \b
    clipig rate fox-sweep/pictures -m photo-lite1 -o ratings.html
    clipig rate a.png b.png --text "red fox" --sort picture
    """  # noqa: D301 - click wants the backspace
    from clipig_core.kit import Node, Place, Registry, choice, save

    if output and Path(output).suffix.lower() not in FORMATS:
        raise InputError(f"'{output}' does not end with one of {', '.join(FORMATS)}")
    if output and Path(output).exists():
        raise InputError(f"'{output}' exists, and is not replaced")
    files = pictures_of(pictures)
    column = sorted_by(sort, [*texts, *images])
    registry = ctx.find_object(Registry) or Registry()
    choice("model", Node(model, Place("--model")), registry)  # a wrong name is found before torch is loaded
    from clipig_sweep.judge import Judge

    rows = rated(files, texts, images, Judge(model, registry), registry)
    rows.sort(key=lambda row: row[column], reverse=not isinstance(rows[0][column], str))
    if output:
        save(Path(output), written(rows, Path(output).suffix.lower(), Path(output).parent).encode())
        click.echo(output)
    elif as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        click.echo("\n".join(table(rows, shutil.get_terminal_size((80, 0)).columns)))
    else:
        click.echo(written(rows, ".csv", Path()), nl=False)


def pictures_of(names: Sequence[str]) -> list[Path]:
    """The files, and those in folders. Raises InputError if there are none."""
    found: list[Path] = []
    for name in names:
        path = Path(name)
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS) if path.is_dir() else [path]
        if not inside or not all(one.is_file() for one in inside):
            raise InputError(
                f"there is no picture '{name}'" if not path.is_dir() else f"'{name}' has no pictures in it"
            )
        found += inside
    return list(dict.fromkeys(found))


def rated(files: Sequence[Path], texts: Sequence[str], images: Sequence[str], judge: Judge, registry: Any) -> list[Row]:
    """A row for each picture: its similarity to each text and image, and their mean.

    Raises:
        InputError: a picture cannot be read, the model knows no word of a text, or a picture has no texts of its own.
    """
    from clipig_sweep.judge import models_of, painted, plan_of, texts_of

    wanted = {text: judge.text(text) for text in texts} | {image: judge.picture(Path(image)) for image in images}
    rows = []
    painters: set[str] = set()
    for file in files:
        plan = plan_of(file, registry)
        own = wanted
        if not wanted:
            words = texts_of(plan) if plan else []
            if not words:
                raise InputError(f"'{file}' does not say what it should show; write --text or --image")
            own = {text: judge.text(text) for text in words}
        painters |= models_of(plan) if plan else set()
        found = dict(zip(own, judge.similarities(file, own.values()), strict=True))
        rows.append(row_of(str(file), found, named=bool(wanted)))
    if painted(judge.name, painters):
        click.echo(f"the judge '{judge.name}' painted some of these pictures; a model likes its own work", err=True)
    return rows


def row_of(picture: str, found: dict[str, float], named: bool) -> Row:
    """The figures of a picture; those of its own texts have no columns of their own, as each has others."""
    mean = round(sum(found.values()) / len(found), 3)
    columns = {name: round(value, 3) for name, value in found.items()} if named else {"texts": "; ".join(found)}
    return {"picture": picture, "mean": mean, **columns}


def sorted_by(wanted: str | None, named: Sequence[str]) -> str:
    """The column that is sorted by. Raises InputError if there is no such column."""
    from clipig_core.kit import nearest

    column, columns = wanted or "mean", ["picture", "mean", *(named or ["texts"])]
    if column not in columns:
        raise InputError(f"there is no column '{column}' ({nearest(column, columns)})")
    return column


def written(rows: Sequence[Row], ending: str, folder: Path) -> str:
    """The table in a format; pictures of a page are shown from where they are."""
    from clipig_sweep.folder import cell

    if ending == ".json":
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if ending == ".html":
        return _page(rows, folder)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(cell, rows[0]))
    writer.writerows([cell(value) for value in row.values()] for row in rows)
    return text.getvalue()


def table(rows: Sequence[Row], width: int) -> list[str]:
    """The table for people: figures below each other, and names cut to what there is room for."""
    cells = [[*rows[0]], *([_shown(value) for value in row.values()] for row in rows)]
    figures = [isinstance(value, float) for value in rows[0].values()]
    room = [max(len(row[column]) for row in cells) for column in range(len(figures))]
    texts = len(figures) - sum(figures)
    share = (width - 2 * len(room) - sum(size for size, figure in zip(room, figures, strict=True) if figure)) // texts
    room = [size if figure else min(size, max(8, share)) for size, figure in zip(room, figures, strict=True)]
    lines = []
    for row in cells:
        parts = zip(row, room, figures, strict=True)
        lines.append(
            "  ".join(
                _cut(text, size).rjust(size) if figure else _cut(text, size).ljust(size) for text, size, figure in parts
            ).rstrip()
        )
    return lines


def _shown(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else printable(str(value))


def _cut(text: str, size: int) -> str:
    """The end of what is too long: names of files begin alike."""
    return text if len(text) <= size else f"…{text[len(text) - size + 1 :]}"


def _page(rows: Sequence[Row], folder: Path) -> str:
    import os

    from clipig_sweep.page import page
    from clipig_sweep.paint import small_url

    cards = []
    for row in rows:
        path = Path(row["picture"])
        parameters = {name: value for name, value in row.items() if name not in ("picture", "mean")}
        cards.append(
            {
                "name": path.name,
                "status": "rated",
                "parameters": parameters,
                "rating": row["mean"],
                "picture": os.path.relpath(path, folder),
                "thumbnail": small_url(path.read_bytes()),
            }
        )
    return page("Ratings", cards)
