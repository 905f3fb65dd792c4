"""The pictures and words that the emoji model learns from.

Emoji sets come from the npm registry as SVG, in pinned versions; a *concept* is one emoji, drawn by several
of them. `build()` matches the sets by name, renders every drawing and gathers labels and search words, then
keeps the result in one `.npz` so that later runs start at once. Needs `npm` on the path and `resvg-py`.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

# A picture counts as unseen only if its whole family is held out: fluent and fluent-flat are the same drawings, shaded
# and plain (their thumbnails correlate by 0.93 on average; those of any two families by 0.50 to 0.58).
ICON_SETS = {
    # name: (npm package, version, family)
    "noto": ("@iconify-json/noto", "1.2.9", "noto"),
    "noto-v1": ("@iconify-json/noto-v1", "1.2.5", "noto-v1"),
    "fluent": ("@iconify-json/fluent-emoji", "1.2.7", "fluent"),
    "fluent-flat": ("@iconify-json/fluent-emoji-flat", "1.2.6", "fluent"),
    "fxemoji": ("@iconify-json/fxemoji", "1.2.2", "fxemoji"),
    "twemoji": ("@iconify-json/twemoji", "1.2.5", "twemoji"),
    "emojione": ("@iconify-json/emojione", "1.2.3", "emojione"),
    "streamline": ("@iconify-json/streamline-emojis", "1.2.4", "streamline"),
}
SHORTCODES = ("emojibase", "joypixels", "iamcal", "github")
WORD_SETS = {"emojibase": ("emojibase-data", "17.0.0"), "emojilib": ("emojilib", "4.0.3")}

GROUPS = {"animals-nature", "food-drink", "travel-places", "activities", "objects"}
SUBGROUPS = {
    *("heart", "cat-face", "monkey-face", "face-costume", "face-smiling", "face-affection", "face-glasses"),
    *("face-negative", "emotion", "body-parts", "hands", "hand-single-finger", "hand-fingers-closed"),
    *("person-fantasy", "person-role", "person-sport", "geometric"),
}
EXCLUDED = re.compile(r"o’clock|-thirty|\b(man|woman|men|women)\b|small|medium|large")
MIN_FAMILIES = 3
HELD_OUT_EVERY = 4
RENDER_SIZE = 96


@dataclass
class Dataset:
    """`images` [N, S, S, 4] uint8, straight alpha; `concept` and `family` [N] index into the lists of names.

    `held_out` [N] marks pictures for scoring only; `labels[c]` is the name of concept c, `tags[c]` its search words.
    """

    images: np.ndarray
    concept: np.ndarray
    family: np.ndarray
    held_out: np.ndarray
    labels: list[str]
    tags: list[list[str]]


def fetch(package: str, version: str, folder: Path) -> dict[str, bytes]:
    """The JSON files of an npm package, by their path inside it; downloaded once into `folder`."""
    archive = folder / f"{package.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True)
    with tarfile.open(archive) as tar:
        return {
            member.name.removeprefix("package/"): tar.extractfile(member).read()  # type: ignore[union-attr]
            for member in tar
            if member.isfile() and member.name.endswith(".json")
        }


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _concepts(folder: Path) -> dict[str, dict[str, object]]:
    """Emoji of the wanted groups by code points (`1F353`), each with its label and search words."""
    files = fetch(*WORD_SETS["emojibase"], folder)
    meta = json.loads(files["meta/groups.json"])
    keywords = json.loads(fetch(*WORD_SETS["emojilib"], folder)["dist/emoji-en-US.json"])
    shortcodes = [json.loads(files[f"en/shortcodes/{name}.json"]) for name in SHORTCODES]
    concepts: dict[str, dict[str, object]] = {}
    for emoji in json.loads(files["en/data.json"]):
        if "group" not in emoji or EXCLUDED.search(emoji["label"]):
            continue
        group, subgroup = meta["groups"][str(emoji["group"])], meta["subgroups"][str(emoji["subgroup"])]
        if group not in GROUPS and subgroup not in SUBGROUPS:
            continue
        names: list[str] = []
        for codes in shortcodes:
            found = codes.get(emoji["hexcode"], [])
            names += [found] if isinstance(found, str) else found
        words = keywords.get(emoji["emoji"]) or keywords.get(emoji["emoji"].replace("\ufe0f", "")) or []
        label = emoji["label"].replace("’", "'")
        tags = {word.replace("_", " ").lower() for word in [*names, *words, *emoji.get("tags", [])]}
        tags = {tag for tag in tags if re.fullmatch(r"[a-z][a-z '-]+", tag)} - {label}
        key = emoji["hexcode"].replace("-FE0F", "")
        concepts[key] = {"label": label, "tags": sorted(tags), "names": names}
    return concepts


def _drawings(folder: Path, concepts: dict[str, dict[str, object]]) -> dict[str, list[tuple[str, str]]]:
    """For each concept its drawings as (icon set, SVG). Sets without code points are matched by name."""
    by_name: dict[str, str] = {}
    loaded = {name: fetch(package, version, folder) for name, (package, version, _) in ICON_SETS.items()}
    for files in loaded.values():
        for code, icon in json.loads(files.get("chars.json", b"{}")).items():
            key = code.upper().replace("-FE0F", "")
            if key in concepts:
                by_name[_plain(icon)] = key
    for key, entry in concepts.items():
        by_name[_plain(str(entry["label"]))] = key
    for key, entry in concepts.items():
        for name in entry["names"]:  # type: ignore[attr-defined]
            by_name.setdefault(_plain(name), key)
    drawings: dict[str, list[tuple[str, str]]] = {}
    for set_name, files in loaded.items():
        icons = json.loads(files["icons.json"])
        for icon, data in icons["icons"].items():
            if "skin-tone" in icon or data.get("hidden"):
                continue
            key = by_name.get(_plain(icon)) or by_name.get(_plain(re.sub(r"-\d$", "", icon)))
            if not key:
                continue
            width, height = (data.get(side, icons.get(side, 16)) for side in ("width", "height"))
            box = f"{data.get('left', 0)} {data.get('top', 0)} {width} {height}"
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
            svg += f'width="{RENDER_SIZE}" height="{RENDER_SIZE}">{data["body"]}</svg>'
            drawings.setdefault(key, []).append((set_name, svg))
    return drawings


def render(svg: str) -> np.ndarray:
    """[S, S, 4] uint8."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    if image.size != (RENDER_SIZE, RENDER_SIZE):
        image = image.resize((RENDER_SIZE, RENDER_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def build(folder: Path, seed: int) -> Dataset:
    """Fetch, match and render everything, or load it from `folder/dataset-<seed>.npz`."""
    cache = folder / f"dataset-{seed}.npz"
    if not cache.exists():
        concepts = _concepts(folder)
        drawings = _drawings(folder, concepts)
        rng = np.random.default_rng(seed)
        families = sorted({family for _, _, family in ICON_SETS.values()})
        images, concept, family, held_out, labels, tags = [], [], [], [], [], []
        for key in concepts:
            drawn = drawings.get(key, [])
            own = sorted({ICON_SETS[name][2] for name, _ in drawn})
            if len(own) < MIN_FAMILIES:
                continue
            hidden = str(rng.choice(own)) if len(labels) % HELD_OUT_EVERY == 0 else None
            for name, svg in drawn:
                images.append(render(svg))
                concept.append(len(labels))
                family.append(families.index(ICON_SETS[name][2]))
                held_out.append(ICON_SETS[name][2] == hidden)
            labels.append(concepts[key]["label"])
            tags.append(concepts[key]["tags"])
        words = json.dumps({"labels": labels, "tags": tags})
        np.savez(cache, images=images, concept=concept, family=family, held_out=held_out, words=words)
    with np.load(cache) as data:
        words = json.loads(str(data["words"]))
        return Dataset(
            data["images"], data["concept"], data["family"], data["held_out"], words["labels"], words["tags"]
        )
