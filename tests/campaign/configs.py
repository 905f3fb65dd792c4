"""Configs that chance has made of good ones."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from clipig_core.config.check import read
from clipig_core.errors import ClipigError
from clipig_core.extension.kinds import Stands
from clipig_core.extension.registry import Registry

from .cases import SECONDS, Case, command, forked, spoiled, told, warm

ROOT = Path(__file__).parents[2]
GOOD = [
    *(path.read_text() for path in sorted(ROOT.glob("examples/*.yaml"))),
    *(path.read_text() for path in sorted(ROOT.glob("plugins/clipig_looks/*.yaml"))),
    *(path.read_text() for path in sorted(ROOT.glob("tests/cli/walkthrough/*.yaml"))),
]
HOSTILE = [
    *(
        "",
        "~",
        "[]",
        "{}",
        "true",
        "-1",
        "0",
        "1e999",
        "-.inf",
        ".nan",
        "1e-320",
        "9" * 400,
        "0x10",
        "'",
        '"',
        "{{text}}",
    ),
    *("[[1, 2], [3]]", "{a: {b: c}}", "&x [*x]", "*y", "!!python/name:os.system x", "!own 1", "!!binary aGk=", "<<: 3"),
    *('"\\e]0;title\\a"', '"\\u202e\\0"', "\x1b[2J", "'" + "x" * 5000 + "'", "../../x/", "/x.png", "~/x.png", "a\\0b"),
    *("t", "1 / t", "t / 0", "9**9**9", "similarity", "random()", "x if y else z", "f(t)", "[1, t, 2]", "t.__class__"),
    *(
        "10%",
        "200%",
        "-5%",
        "1.5",
        "2020-01-01",
        "auto",
        "cuda:77",
        "meta",
        "emoji",
        "gone.pt",
        "gone.png",
        "http://[",
        "#f80",
    ),
    *(
        "1 2 3",
        "1, 2",
        "16384",
        "99999999999",
        "1 - t",
        "blur",
        "text",
        "acme/blur",
        "{blur: {kernel_size: -3}}",
        "a.npy",
    ),
]


def mutated(rng: random.Random, words: list[str]) -> str:
    """A good config with a few changes."""
    lines = rng.choice(GOOD).splitlines()
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(lines))
        line = lines[at]
        key, colon, _ = line.partition(":")
        indent = line[: len(line) - len(line.lstrip(" -"))]
        match rng.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(rng.choice(GOOD).splitlines() or [""]))
            case 2 | 3 if colon:
                lines[at] = f"{key}: {rng.choice(HOSTILE)}"
            case 4:
                lines[at] = f"{indent}{rng.choice(words)}: {rng.choice(HOSTILE)}"
            case 5:
                lines[at] = " " * rng.randrange(5) + line
            case 6:
                lines.insert(at, f"{indent}{rng.choice(words)}: {rng.choice(HOSTILE)}")
            case 7:
                lines[at] = line.replace(rng.choice("aeiou.0123456789 "), rng.choice(("", "x", "9", "\t", "é", "\x00")))
        lines = lines or [""]
    return "\n".join(lines)


EXTRA = ("active", "start", "end", "weight", "batch_size", "select", "seed", "epochs", "vars", "init", "output", "look")


def words(registry: Registry) -> list[str]:
    """Every name that stands somewhere in a config."""
    names = [name for kind in registry.kinds for name in registry.names(kind)]
    keys = [key for stands in Stands for key in registry.keys(stands)]
    return sorted({*names, *keys, *EXTRA})


def content(rng: random.Random, names: list[str]) -> bytes:
    text = mutated(rng, names).encode()
    return spoiled(text, rng) if rng.random() < 0.1 else text


def through_checks(rng: random.Random, folder: Path) -> Iterator[tuple[str, Case]]:
    """Read, merged, and checked with all components."""
    registry = Registry()
    names = words(registry)
    path = folder / "a.yaml"
    while True:
        given = content(rng, names)

        def case(given: bytes = given) -> str:
            path.write_bytes(given)
            try:
                read([str(path)], {"vars": {"text": "fox"}} if b"{{" in given else {}, registry)
            except ClipigError as error:
                return told(error)
            return ""

        yield given.decode(errors="replace"), case


def through_the_command(rng: random.Random, folder: Path) -> Iterator[tuple[str, Case]]:
    """Run, small and short."""
    registry = Registry()
    warm(registry)
    names = words(registry)
    small = ("-e", "3", "-r", "24", "-d", "cpu", "--var", "text=fox", "--set", "start_epoch=0", "-m", "emoji")
    while True:
        given = content(rng, names)

        def case(given: bytes = given) -> str:
            work = folder / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            (work / "a.yaml").write_bytes(given)
            before = {path.name for path in folder.iterdir()}
            ended = forked(command("run", "a.yaml", "-v", "1", *small), work)
            left = sorted(path.name for path in work.iterdir())
            if {path.name for path in folder.iterdir()} - before - {"work.out", "work.err", ".cache"}:
                return f"files outside of the current directory: {sorted(path.name for path in folder.iterdir())}"
            if (work / "a.yaml").read_bytes() != given:
                return "the config was overwritten"
            if ended.code == 2 and left != ["a.yaml"]:
                return f"refused, and left {left}"
            if ended.seconds > SECONDS / 2:
                return f"took {ended.seconds:.0f} s"
            return ended.defect((0, 1, 2))

        yield given.decode(errors="replace"), case
