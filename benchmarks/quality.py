"""How good pictures are: made from a list of words with a look, judged by a net that took no part, and by people.

    python -m benchmarks quality --look object --words words.txt --out pictures/

Leaves the pictures, a sheet with captions, sheets of shuffled pictures without captions and apart from them their key,
for people who name what they see: the only honest judge, as nets like what nets have painted. What is there already is
not made again.

`--emoji-judge FILE` adds a judge that learnt from drawings. It is made in a quarter of an hour on one core:

    cd tools/emoji && pip install resvg-py
    python train.py clean --seed 2 --clean-steps 3000 --out judge
    python train.py judge --out judge                   # judge/judge.safetensors
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

import clipig
from benchmarks.judges import Emoji, Judge, Photos, place
from benchmarks.tables import Rows, Table

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
    parser.add_argument("--emoji-judge", type=Path, metavar="FILE", help="a second judge, see above")
    args = parser.parse_args(arguments)
    words = [line.strip() for line in args.words.read_text().splitlines() if line.strip() and line[0] != "#"]
    judges: list[Judge] = [Photos()]
    try:
        judges += [Emoji(args.emoji_judge)] if args.emoji_judge else []
    except ValueError as error:
        parser.error(str(error))
    args.out.mkdir(parents=True, exist_ok=True)
    for word in words:
        make(word, args.look, args.seed, args.out)
    sheets(words, args.out)
    print(judged(words, args.out, judges).markdown())


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


def judged(words: Sequence[str], folder: Path, judges: Sequence[Judge]) -> Table:
    """What the judges say: the place of what was wanted among all that they know, and its probability."""
    seconds = _seconds(folder)
    found = {judge.name: [place(judge, picture(word, folder), word) for word in words] for judge in judges}
    rows: Rows = {}
    for number, word in enumerate(words):
        rows[word] = {}
        for name, own in found.items():
            at, probability = own[number] or (None, None)
            rows[word] |= {name: at, f"{name} p": probability and round(probability, 2)}
        rows[word]["CPU s"] = seconds.get(word)
    about = [_score(name, [one[0] for one in own if one]) for name, own in found.items()]
    if len(judges) > 1:
        known = [own for own in zip(*found.values(), strict=True) if None not in own]
        firsts = sum(all(one and one[0] == 1 for one in own) for own in known)
        about.append(f"All at once: {firsts} of {len(known)}.")
    return Table("Quality", " ".join(about), rows)


def _score(name: str, places: Sequence[int]) -> str:
    firsts, fives = (sum(at <= most for at in places) for most in (1, 5))
    return f"{name}: {firsts} of {len(places)} words are in the first place, {fives} among the first five."


def _seconds(folder: Path) -> dict[str, float]:
    path = folder / "seconds.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {found["word"]: found["seconds"] for found in map(json.loads, lines)}
