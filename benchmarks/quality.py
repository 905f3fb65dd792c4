"""How good pictures are: made from a list of words with a look, judged by a net that took no part, and by people.

    python -m benchmarks quality --look object --words words.txt --out pictures/

Leaves the pictures, a sheet with captions, sheets of shuffled pictures without captions and apart from them their key,
for people who name what they see: the only honest judge, as nets like what nets have painted. What is there already is
not made again.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw

import clipig
from benchmarks.tables import Rows, Table
from clipig_core.kit import read_image, resample
from clipig_photo.model import load
from clipig_photo.words import find

JUDGE, SIDE = "lite2", 260
"""A net that no look asks, and the size at which it was trained."""

WORDS = Path(__file__).parent / "words.txt"
TILE, CAPTION, COLUMNS, ON_A_SHEET = 224, 22, 6, 24


def main(arguments: Sequence[str]) -> None:
    """Make the pictures, then the sheets, then the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--look", default="object", help="its name")
    parser.add_argument("--words", type=Path, default=WORDS, help="a file with one on each line; 24 by default")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where everything goes")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    words = [line.strip() for line in args.words.read_text().splitlines() if line.strip() and line[0] != "#"]
    args.out.mkdir(parents=True, exist_ok=True)
    for word in words:
        make(word, args.look, args.seed, args.out)
    sheets(words, args.out)
    print(judged(words, args.out).markdown())


def picture(word: str, folder: Path) -> Path:
    """Where the picture of a word is."""
    return folder / f"{word.replace(' ', '-')}.png"


def make(word: str, look: str, seed: int, folder: Path) -> None:
    """The picture of a word, unless it is there; the CPU seconds are noted beside it."""
    if picture(word, folder).exists():
        return
    before = time.process_time()
    clipig.make({"look": look, "vars": {"text": word}}, seed=seed).save(picture(word, folder))
    with (folder / "seconds.jsonl").open("a") as file:
        file.write(json.dumps({"word": word, "seconds": round(time.process_time() - before, 1)}) + "\n")


def sheets(words: Sequence[str], folder: Path, seed: int = 0) -> None:
    """All pictures with captions; then all in another order with numbers, and which is which in `key.json`."""
    sheet(words, words, folder, folder / "sheet.png")
    shuffled = [*words]
    random.Random(seed).shuffle(shuffled)
    for start in range(0, len(shuffled), ON_A_SHEET):
        some = shuffled[start : start + ON_A_SHEET]
        numbers = [str(start + i + 1) for i in range(len(some))]
        sheet(some, numbers, folder, folder / f"blind-{start // ON_A_SHEET + 1}.png")
    (folder / "key.json").write_text(json.dumps(dict(enumerate(shuffled, 1)), indent=1) + "\n")


def sheet(words: Sequence[str], captions: Sequence[str], folder: Path, path: Path) -> None:
    """Pictures side by side, each with a caption above."""
    columns = min(COLUMNS, len(words))
    rows = -(-len(words) // columns)
    whole = Image.new("RGB", (columns * (TILE + 4) - 4, rows * (TILE + CAPTION)), "white")
    draw = ImageDraw.Draw(whole)
    for i, (word, caption) in enumerate(zip(words, captions, strict=True)):
        x, y = i % columns * (TILE + 4), i // columns * (TILE + CAPTION)
        draw.text((x + 2, y + 6), caption, fill="black")
        with Image.open(picture(word, folder)) as image:
            whole.paste(image.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC), (x, y + CAPTION))
    whole.save(path)


@torch.no_grad()
def judged(words: Sequence[str], folder: Path) -> Table:
    """What the judge says: the place of the wanted classes among the 1,000, and their probability."""
    net, seconds = load(JUDGE), _seconds(folder)
    places: list[int] = []
    rows: Rows = {}
    for word in words:
        image = read_image(str(picture(word, folder)))[None]
        odds = net.logits(resample(image, SIDE, SIDE).clamp(0, 1))[0].softmax(0)
        wanted = list(find(word).classes)
        place = int((odds > odds[wanted].max()).sum()) + 1
        places.append(place)
        rows[word] = {"place": place, "probability": round(odds[wanted].sum().item(), 2), "CPU s": seconds.get(word)}
    firsts, fives = (sum(place <= most for place in places) for most in (1, 5))
    about = f"{firsts} of {len(places)} words are in the first place, {fives} among the first five of 1,000 classes."
    return Table(f"Quality, judged by {JUDGE}", about, rows)


def _seconds(folder: Path) -> dict[str, float]:
    path = folder / "seconds.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {found["word"]: found["seconds"] for found in map(json.loads, lines)}
