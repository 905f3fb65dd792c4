"""Make the pictures of README and docs: `python docs/make_pictures.py`, about half an hour on one core.

`python docs/make_pictures.py zebra boat` makes only some. `gallery`, `landscapes`, `posters` and `backgrounds` are
sheets: all pictures of the first three have a look and seed 0, those of the last the config of
`examples/strawberry.yaml`, with other words. `walkthrough-1` and so on are the configs of that page, in its order. The
others are the examples, each with the name of its config.
"""

from __future__ import annotations

import argparse
import functools
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from clipig_core.config.check import check, read
from clipig_core.config.plan import Plan
from clipig_core.engine.run import Run
from clipig_core.extension.registry import Registry
from clipig_core.imaging.images import to_png
from clipig_core.language.nodes import Node
from clipig_core.language.yaml import read_file, read_yaml

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
WORDS = tuple(
    line for line in (ROOT / "benchmarks" / "words.txt").read_text().splitlines() if line and not line.startswith("#")
)
DRAWN = ("tree", "house", "dragon", "robot", "moon", "heart", "unicorn", "skull", "crown", "star", "rose", "sun")
COLORS = ("red heart on a white background", "red heart on a blue background", "red heart on a green background")
TOGETHER = {"frame": ("hamburger", "frame")}  # what is meant to be added to another config
ZOOM = 2
LABEL = 14
SIDE = 224


def example(name: str) -> Image.Image:
    """The picture of an example."""
    files = [str(EXAMPLES / f"{one}.yaml") for one in TOGETHER.get(name, (name,))]
    return picture(read(files, {"device": "cpu"}, Registry()))


def lessons() -> list[str]:
    """The configs of the walk-through, in their order."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "walkthrough.md").read_text("utf-8"), re.M | re.S)
    return [block for block in blocks if "targets:" in block]


def lesson(number: int) -> Image.Image:
    """The picture of a config of the walk-through, with seed 1."""
    block = read_yaml(lessons()[number - 1], f"walkthrough-{number}")
    made = picture(read([block], {"seed": 1, "device": "cpu"}, Registry()), 1)
    return made.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def sheet(words: Sequence[str], columns: int) -> Image.Image:
    """Pictures of words in rows, each with its word below."""
    shared = read_file(str(EXAMPLES / "strawberry.yaml"))
    plain = shared.plain_value()
    tiles = []
    for word in words:
        plain["targets"][0]["features"] = [{"text": word}]
        tiles.append(labelled(picture(check(Node.of(plain, shared.place), Registry())), word))
    return arranged(tiles, columns)


def looks(look: str, words: Sequence[str], columns: int) -> Image.Image:
    """Pictures of words with a look in rows, each with its word below."""
    tiles = []
    for word in words:
        config = read([], {"look": look, "vars": {"text": word}, "seed": 0, "device": "cpu"}, Registry())
        tiles.append(labelled(picture(config, 1), word))
    return arranged(tiles, columns)


def arranged(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    """Pictures of one size in rows."""
    width, height = tiles[0].size
    rows = -(-len(tiles) // columns)
    whole = Image.new("RGB", (columns * width, rows * height), "white")
    for index, tile in enumerate(tiles):
        whole.paste(tile, (index % columns * width, index // columns * height))
    return whole


def picture(config: Plan, zoom: int = ZOOM) -> Image.Image:
    """What a config makes, enlarged unless it is large enough."""
    run = Run(config)
    for _ in run:
        pass
    small = Image.open(io.BytesIO(to_png(run.result())))
    zoom = zoom if small.width < SIDE else 1
    return small.resize((small.width * zoom, small.height * zoom), Image.Resampling.BICUBIC)


def labelled(image: Image.Image, text: str) -> Image.Image:
    """A picture with a line of text below."""
    tile = Image.new("RGB", (image.width, image.height + LABEL), "white")
    tile.paste(image)
    ImageDraw.Draw(tile).text((4, image.height + 1), text, fill="black")
    return tile


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "gallery": functools.partial(looks, "object", WORDS, 6),
    "drawn": functools.partial(looks, "object", DRAWN, 6),
    "landscapes": functools.partial(looks, "landscape", ("castle", "volcano", "valley"), 3),
    "posters": functools.partial(looks, "poster", ("fox", "rooster"), 2),
    "backgrounds": functools.partial(sheet, COLORS, 3),
    **{f"walkthrough-{number}": functools.partial(lesson, number) for number in range(1, len(lessons()) + 1)},
    **{path.stem: functools.partial(example, path.stem) for path in sorted(EXAMPLES.glob("*.yaml"))},
}


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    args = parser.parse_args()
    if unknown := {*args.names} - PICTURES.keys():
        parser.error(f"there is no picture of {', '.join(unknown)}")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or PICTURES:
        PICTURES[name]().save(args.out / f"{name}.jpg", quality=90, optimize=True)


if __name__ == "__main__":
    main()
