"""The command `python -m benchmarks quality`, with pictures that are there already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from clip.model import ModifiedResNet
from PIL import Image
from safetensors.torch import save_file

from benchmarks import quality
from benchmarks.judges import Emoji, image, place

TOWER = {"layers": [1, 1, 1, 1], "output_dim": 16, "heads": 4, "input_resolution": 64, "width": 8}
LABELS = ["strawberry", "zebra", "horse face"]
TAGS = [["berry"], ["stripes"], ["horse", "zebra"]]
COLORS = {"strawberry": "red", "zebra": "white"}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for word, color in COLORS.items():
        Image.new("RGB", (64, 64), color).save(tmp_path / f"{word}.png")
    return tmp_path


@pytest.fixture
def judge(pictures: Path) -> Path:
    """A file like one of `tools/emoji/train.py judge`, for which red is a strawberry, and white a horse."""
    torch.manual_seed(0)
    tower = ModifiedResNet(**TOWER).eval()
    file = pictures / "judge.safetensors"

    def save(concepts: torch.Tensor) -> None:
        about = {"labels": LABELS, "tags": TAGS, "tower": TOWER}
        state = {**tower.state_dict(), "concepts": concepts, "scale": torch.tensor(100.0)}
        save_file(state, file, metadata={name: json.dumps(value) for name, value in about.items()})

    save(torch.eye(3, 16))
    with torch.no_grad():
        seen = [Emoji(file).features(image(pictures / f"{word}.png", 64)) for word in COLORS]
    save(torch.cat([seen[0], -seen[1], seen[1]]))
    return file


def test_a_judge_knows_a_word_by_a_name_or_else_by_what_finds_it(judge: Path) -> None:
    emoji = Emoji(judge)
    assert emoji.wanted("zebra") == [1]
    assert emoji.wanted("horse") == [2]
    assert emoji.wanted("lamp") == []


def test_a_place_is_that_of_what_was_wanted(judge: Path) -> None:
    at, probability = place(Emoji(judge), judge.parent / "strawberry.png", "strawberry") or (0, 0)
    assert at == 1
    assert probability > 1 / 3
    assert (place(Emoji(judge), judge.parent / "zebra.png", "zebra") or (0, 0))[0] > 1
    assert place(Emoji(judge), judge.parent / "zebra.png", "lamp") is None


def run(folder: Path, *more: str | Path) -> None:
    (folder / "words.txt").write_text("# two words\nstrawberry\nzebra\n")
    arguments = ["--words", folder / "words.txt", "--out", folder, *more]
    quality.main([str(argument) for argument in arguments])


def test_the_table_has_both_judges_and_what_they_agree_on(judge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(judge.parent, "--emoji-judge", judge)
    printed = capsys.readouterr().out
    assert "lite2: 0 of 2 words are in the first place" in printed
    assert "emoji judge: 1 of 2 words are in the first place, 2 among the first five." in printed
    assert "All at once: 0 of 2." in printed


def test_the_key_says_what_is_on_the_sheets(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(pictures)
    key = json.loads((pictures / "key.json").read_text())
    assert sorted(key.values()) == sorted(COLORS)
    with Image.open(pictures / "blind-1.png") as sheet:
        row = sheet.height // 2
        found = [sheet.getpixel((100 + column * (quality.TILE + 4), row)) for column in (0, 1)]
    wanted = {"strawberry": (255, 0, 0), "zebra": (255, 255, 255)}
    assert found == [wanted[key["1"]], wanted[key["2"]]]
    assert "emoji judge" not in capsys.readouterr().out


def test_a_file_that_is_no_judge_is_refused_before_anything_is_painted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"no weights")
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, "--emoji-judge", bad)
    assert ended.value.code == 2
    assert "bad.safetensors' is no file of `train.py judge`" in capsys.readouterr().err
    assert not [*tmp_path.glob("*.png")]
