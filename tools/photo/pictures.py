"""The pictures that the robust photo models are trained on: cut-outs, drawings and photographs.

Cut-outs and photographs come from Debian's packages for children, drawings from the emoji sets of the npm registry.
`collect(folder)` downloads them once, with `apt-get`, `dpkg-deb` and `npm`, and keeps them there in one `.npz`. Nobody
says what a picture shows: the nets as they were published do.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "emoji"))
import dataset

PACKAGES = (
    "tuxpaint-stamps-default",  # 2022.06.04-1
    "gcompris-qt-data",  # 3.1-2
    "gnome-backgrounds",  # 43.1-1
    "lomiri-wallpapers-16.04",  # 20.04.0-2
    "lomiri-wallpapers-20.04",  # 20.04.0-2
    "mate-backgrounds",  # 1.26.0-1
)
SHADED = "@lobehub/fluent-emoji-3d", "1.1.0"
"""The npm package of emoji that look like models of clay."""

NO_DRAWINGS = re.compile("1f3f[b-f]|1f1e.|1f1f.")
"""In the names of shaded emoji: skin tones, which come without as well, and letters."""

DRAWINGS, SHADINGS = 0.5, 0.35
"""How often drawings and shaded emoji are to be seen for each time that another cut-out is."""

NO_THINGS = ("/symbols/", "flags", "roadsigns", "hanukkah", "paintings")
"""Parts of the names of pictures that show signs, or pieces of a puzzle."""

CUT_OUT, PHOTOGRAPH, PIECE = 192, 256, 400
"""Sides in pixels: of what is kept, and of the pieces into which large backgrounds are cut as well."""

WEBP = re.compile(rb"RIFF(....)WEBP", re.DOTALL)


class Pictures(NamedTuple):
    """What `collect` finds."""

    cut_outs: Tensor
    """[N, 4, S, S] uint8, straight alpha: one thing each, as large as fits."""
    weights: Tensor
    """[N]: how often each is to be seen; drawings less often than what is cut out of photographs."""
    photographs: Tensor
    """[M, 3, S, S] uint8: squares of photographs and of backgrounds."""
    whole: Tensor
    """The numbers of those photographs that are no mere pieces."""


def collect(folder: Path) -> Pictures:
    """All pictures, downloaded into a folder if they are not there."""
    file = folder / "pictures.npz"
    if not file.exists():
        np.savez(file, **_arrays(folder))
    with np.load(file) as found:
        return Pictures(*(torch.from_numpy(found[name]) for name in Pictures._fields))


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    cut_outs, weights, photographs, whole = [], [], [], []
    for name, image in _images(_unpacked(folder)):
        if any(part in name for part in NO_THINGS):
            continue
        alpha = np.asarray(image.getchannel("A"))
        if (alpha < 250).mean() > 0.05:
            if (alpha > 20).sum() >= 400:
                cut_outs.append(_framed(image, alpha > 20))
                weights.append(0.35 if "cartoon" in name or "lang" in name else 1.0)
            continue
        squares = [*_squares(image)]
        whole += range(len(photographs), len(photographs) + len(squares))
        photographs += squares
        if "backgrounds" in name and name.endswith(".jpg"):
            photographs += _pieces(image)
    seen = sum(weights)
    for share, images in ((DRAWINGS, _drawings(folder)), (SHADINGS, _shaded(folder))):
        cut_outs += images
        weights += [share * seen / len(images)] * len(images)
    return {
        "cut_outs": np.stack(cut_outs).transpose(0, 3, 1, 2),
        "weights": np.array(weights, np.float32),
        "photographs": np.stack(photographs).transpose(0, 3, 1, 2),
        "whole": np.array(whole),
    }


def _unpacked(folder: Path) -> Path:
    tree = folder / "tree"
    if not tree.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True)
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
    return tree


def _images(tree: Path) -> Iterator[tuple[str, Image.Image]]:
    """All with their names; those of GCompris are WebP within archives of Qt, uncompressed one behind the other."""
    stamps, archives, backgrounds = (
        tree / "usr/share" / name for name in ("tuxpaint/stamps", "gcompris-qt/rcc", "backgrounds")
    )
    for path in sorted(stamps.rglob("*.png")):
        yield str(path.relative_to(tree)), Image.open(path).convert("RGBA")
    for path in sorted(archives.glob("*.rcc")):
        content = path.read_bytes()
        for found in WEBP.finditer(content):
            end = found.start() + 8 + int.from_bytes(found[1], "little")
            image = Image.open(io.BytesIO(content[found.start() : end]))
            if min(image.size) >= 90:
                yield path.stem, image.convert("RGBA")
    for path in sorted(backgrounds.rglob("*")):
        if path.suffix in (".jpg", ".png", ".webp") and path.stat().st_size > 5000:
            image = Image.open(path)
            image.draft("RGB", (1600, 1600))  # of a JPEG, which is read faster so
            image = image.convert("RGBA")
            image.thumbnail((1400, 1400))
            yield str(path.relative_to(tree)), image


def _drawings(folder: Path) -> list[np.ndarray]:
    """Those that the emoji model learns from."""
    dataset.RENDER_SIZE = CUT_OUT
    drawn = dataset.build(folder, 2).images
    return [_framed(Image.fromarray(image), image[..., 3] > 20) for image in drawn]


def _shaded(folder: Path) -> list[np.ndarray]:
    name, version = SHADED
    subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True)
    found = []
    with tarfile.open(folder / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz") as archive:
        for member in sorted(archive, key=lambda member: member.name):
            if member.name.endswith(".webp") and not NO_DRAWINGS.search(member.name):
                image = Image.open(archive.extractfile(member)).convert("RGBA")  # type: ignore[arg-type]
                found.append(_framed(image, np.asarray(image.getchannel("A")) > 20))
    return found


def _framed(image: Image.Image, there: np.ndarray) -> np.ndarray:
    """[S, S, 4]: what is not transparent, as large as fits, in the middle."""
    rows, columns = there.any(1).nonzero()[0], there.any(0).nonzero()[0]
    thing = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    factor = CUT_OUT / max(thing.size)
    width, height = (max(1, round(side * factor)) for side in thing.size)
    whole = Image.new("RGBA", (CUT_OUT, CUT_OUT))
    whole.paste(thing.resize((width, height)), ((CUT_OUT - width) // 2, (CUT_OUT - height) // 2))
    return np.asarray(whole)


def _squares(image: Image.Image) -> Iterator[np.ndarray]:
    """The square in the middle, or three side by side in what is long."""
    side = min(image.size)
    for part in range(3) if max(image.size) / side > 1.7 else [1]:
        x, y = ((length - side) * part // 2 for length in image.size)
        yield _square(image, x, y, side)


def _pieces(image: Image.Image) -> list[np.ndarray]:
    columns, rows = (range(0, length - PIECE, PIECE) for length in image.size)
    return [_square(image, x, y, PIECE) for x in columns for y in rows]


def _square(image: Image.Image, x: int, y: int, side: int) -> np.ndarray:
    return np.asarray(image.crop((x, y, x + side, y + side)).resize((PHOTOGRAPH, PHOTOGRAPH)).convert("RGB"))
