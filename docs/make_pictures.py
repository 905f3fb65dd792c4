"""Make the pictures of README and docs: `python docs/make_pictures.py`, a few minutes on two cores.

Every picture of the gallery has the config of `examples/strawberry.yaml`, with another word and the same seed.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image, ImageDraw

from clipig_core.config import Config, check
from clipig_core.images import to_png
from clipig_core.nodes import Node, read_file
from clipig_core.registry import Registry
from clipig_core.run import Run

ROOT = Path(__file__).parent.parent
SHARED = ROOT / "examples" / "strawberry.yaml"
WORDS = (
    *("owl", "lion", "octopus", "penguin", "rose", "cactus", "banana", "pizza", "hamburger", "hot beverage"),
    *(
        "automobile",
        "rocket",
        "sailboat",
        "castle",
        "rainbow",
        "guitar",
        "soccer ball",
        "alarm clock",
        "key",
        "umbrella",
    ),
)
COLORS = ("red heart on a white background", "red heart on a blue background", "red heart on a green background")
ZOOM = 2
LABEL = 14


def config_for(word: str, registry: Registry, seed: int) -> Config:
    """The shared config with another word."""
    shared = read_file(str(SHARED))
    plain = shared.plain_value()
    plain["targets"][0]["features"] = [{"text": word}]
    return check(Node.of({**plain, "seed": seed}, shared.place), registry)


def picture(word: str, registry: Registry, seed: int) -> Image.Image:
    """The picture of a word, enlarged, with the word below."""
    run = Run(config_for(word, registry, seed))
    for _ in run:
        pass
    small = Image.open(io.BytesIO(to_png(run.image, {})))
    tile = Image.new("RGB", (small.width * ZOOM, small.height * ZOOM + LABEL), "white")
    tile.paste(small.resize((small.width * ZOOM, small.height * ZOOM), Image.Resampling.BICUBIC))
    ImageDraw.Draw(tile).text((4, tile.height - LABEL + 1), word, fill="black")
    return tile


def sheet(tiles: list[Image.Image], columns: int) -> Image.Image:
    """Tiles in rows."""
    width, height = tiles[0].size
    rows = -(-len(tiles) // columns)
    whole = Image.new("RGB", (columns * width, rows * height), "white")
    for index, tile in enumerate(tiles):
        whole.paste(tile, (index % columns * width, index // columns * height))
    return whole


def main() -> None:
    """Write the sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    args = parser.parse_args()
    registry = Registry()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, words, columns in (("gallery", WORDS, 5), ("backgrounds", COLORS, 3), ("strawberry", ("strawberry",), 1)):
        tiles = [picture(word, registry, args.seed) for word in words]
        sheet(tiles, columns).save(args.out / f"{name}.jpg", quality=90, optimize=True)


if __name__ == "__main__":
    main()
