"""Pictures of what transforms and constraints do, made from the examples of the reference whenever it is built.

A fence of `{shown} transform blur` becomes a figure of that component, one of `{shown} transform` a sheet of all
transforms. The files are written into the build's own folder, never beside the pages.
"""

from __future__ import annotations

import functools
import io
import math
import os
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from clipig_reference import example
from PIL import Image, ImageDraw, ImageFont
from ruamel.yaml import YAML
from torch import Tensor

from clipig_core.config.check import check
from clipig_core.engine.canvas import cover
from clipig_core.engine.run import Run
from clipig_core.errors import Place
from clipig_core.extension.registry import Registry
from clipig_core.imaging.images import read_image, to_png
from clipig_core.language.nodes import Node
from clipig_core.language.schedule import Now
from clipig_core.language.yaml import read_yaml

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ORIGINAL = Path(__file__).parents[2] / "examples" / "boat.png"
SIZE = 224  # the default resolution, for which the examples are written
VIEWS = 3
NOW = Now(epoch=1, epochs=9)  # expressions that depend on time have their value at an eighth of the run
EPOCHS = 60
GAP = 8
CELL = 112
LABEL = 18
COLUMNS = 6
MARKER = re.compile(r"^```\{shown\} (?P<kind>\w+) ?(?P<name>\w*)\n```$", re.MULTILINE)


def expand(text: str, folder: Path, root: Path) -> str:
    """A page with its markers replaced by figures, whose files are written to `folder`; pages link them from `root`."""
    every = [(marker["kind"], marker["name"]) for marker in MARKER.finditer(text) if marker["name"]]

    def figure(marker: re.Match[str]) -> str:
        kind, name = marker["kind"], marker["name"]
        names = [name] if name else [other for same, other in every if same == kind]
        picture = strip(kind, name) if name else sheet(kind, names)
        path = folder / f"{kind}-{name or 'sheet'}.png"
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        link = Path(os.path.relpath(path, root)).as_posix()
        alt = f"A drawing of a sailing boat, and what becomes of it with {', '.join(names)}"
        return f"```{{figure}} /{link}\n:alt: {alt}\n\n{caption(kind, name) if name else ''}\n```"

    return MARKER.sub(figure, text)


@functools.cache
def original() -> Tensor:
    """[1, 3, SIZE, SIZE]: the picture that everything is shown on."""
    return cover(read_image(str(ORIGINAL)), SIZE, SIZE)


@functools.cache
def shown(kind: str, name: str) -> Tensor:
    """[B, 3, h, w]: what becomes of the original; several views if the component is a random transform."""
    return transformed(name) if kind == "transform" else constrained(name)


def transformed(name: str) -> Tensor:
    """[B, 3, h, w]: the original through a transform; several views if it is random."""
    config = check(Node.of(_example("transform", name), Place(name)), Registry())
    (use,) = config.targets[0].transforms
    extra = {"rng": torch.Generator().manual_seed(1)} if use.component.random else {}
    images = original().expand(VIEWS if extra else 1, -1, -1, -1)
    views: Tensor = use.component.function(images, **use.arguments(NOW.variables(), random.Random(1)), **extra)
    return views


def constrained(name: str) -> Tensor:
    """[1, 3, SIZE, SIZE]: the original after a run with a constraint and nothing else."""
    plain = _example("constraint", name)
    for target in plain["targets"]:
        del target["features"]
    settings = {"resolution": SIZE, "init": {"image": str(ORIGINAL)}, "epochs": EPOCHS, "seed": 1, "device": "cpu"}
    run = Run(check(Node.of({**plain, **settings}, Place(name)), Registry()))
    for _ in run:
        pass
    return run.image


def strip(kind: str, name: str) -> Image.Image:
    """The original, and beside it what becomes of it."""
    tiles = [_to_pillow(image) for image in (*original(), *shown(kind, name))]
    height = max(tile.height for tile in tiles)
    whole = Image.new("RGB", (sum(tile.width for tile in tiles) + GAP * (len(tiles) - 1), height), "white")
    left = 0
    for tile in tiles:
        whole.paste(tile, (left, (height - tile.height) // 2))
        left += tile.width + GAP
    return whole


def sheet(kind: str, names: Sequence[str]) -> Image.Image:
    """The original and what becomes of it with each of the components, with their names below."""
    tiles = {"original": original()[0], **{name: shown(kind, name)[0] for name in names}}
    rows = math.ceil(len(tiles) / COLUMNS)
    whole = Image.new("RGB", (COLUMNS * (CELL + GAP) - GAP, rows * (CELL + LABEL + GAP) - GAP), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(13)
    for index, (name, image) in enumerate(tiles.items()):
        left, top = index % COLUMNS * (CELL + GAP), index // COLUMNS * (CELL + LABEL + GAP)
        tile = _to_pillow(image)
        tile.thumbnail((min(CELL, tile.width * CELL // SIZE), CELL))
        whole.paste(tile, (left + (CELL - tile.width) // 2, top + (CELL - tile.height) // 2))
        draw.text((left + CELL / 2, top + CELL + LABEL / 2), name, fill="black", font=font, anchor="mm")
    return whole


def caption(kind: str, name: str) -> str:
    """The component with the parameters of its example."""
    (use,) = _example(kind, name)["targets"][0][f"{kind}s"]
    return f"`{_flow(use)}`"


def _example(kind: str, name: str) -> dict[str, Any]:
    """The config of the example in the reference, as plain values."""
    text = example(kind, name).removeprefix("```yaml\n").removesuffix("```")
    plain: dict[str, Any] = read_yaml(text, name).plain_value()
    return plain


def _flow(value: Mapping[str, Any]) -> str:
    """A mapping as one line of YAML, without the outermost braces."""
    yaml = YAML()
    yaml.default_flow_style, yaml.width = True, 1000
    text = io.StringIO()
    yaml.dump(value, text)
    return text.getvalue().strip()[1:-1]


def _to_pillow(image: Tensor) -> Image.Image:
    return Image.open(io.BytesIO(to_png(image[None])))


def _replace(app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = expand(source[0], Path(app.doctreedir) / "pictures", Path(app.srcdir))


def setup(app: Sphinx) -> dict[str, Any]:
    """Hook into Sphinx, after the reference has been written into the pages."""
    app.connect("source-read", _replace, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
