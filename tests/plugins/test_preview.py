"""Pictures in terminals, as terminals read them."""

from __future__ import annotations

import base64
import io
import logging
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clipig
from clipig_outputs import preview, terminals
from tests.cli.support import command, environment

CONFIG = "model: emoji\nresolution: 32\nepochs: 30\nseed: 1\ntargets: [{features: [text: apple]}]\n"
CELL = re.compile(r"\x1b\[(?:0;)?38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")


def picture(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 4), (4, 7)])
def test_half_blocks_have_the_colors_of_the_pixels(width: int, height: int) -> None:
    image = picture(width, height)
    lines = terminals.blocks(image, "true").splitlines()
    assert len(lines) == -(-height // 2)
    pixels = np.asarray(image)
    for number, line in enumerate(lines):
        found = np.array([list(map(int, cell)) for cell in CELL.findall(line)])
        assert (found[:, :3] == pixels[2 * number]).all()
        assert (found[:, 3:] == pixels[min(2 * number + 1, height - 1)]).all()
        assert line.endswith("\x1b[0m")


def xterm(number: int) -> list[int]:
    """What a colour from 16 to 255 looks like."""
    if number >= 232:
        return [8 + 10 * (number - 232)] * 3
    return [(0, 95, 135, 175, 215, 255)[(number - 16) // place % 6] for place in (36, 6, 1)]


def test_terminals_with_256_colors_get_the_nearest() -> None:
    image = picture(9, 6)
    shown = [int(number) for number in re.findall(r"[34]8;5;(\d+)", terminals.blocks(image, "256"))]
    pixels = np.asarray(image).astype(int)
    pairs = np.stack([pixels[::2], pixels[1::2]], 2).reshape(-1, 3)
    table = np.array([xterm(number) for number in range(16, 256)])
    nearest = ((pairs[:, None] - table) ** 2).sum(-1).min(-1)
    assert [((xterm(number) - pixel) ** 2).sum() for number, pixel in zip(shown, pairs, strict=True)] == [*nearest]


def test_without_colors_brightness_is_shown() -> None:
    ramp = Image.linear_gradient("L").rotate(90).resize((10, 4)).convert("RGB")
    shown = terminals.blocks(ramp, "none")
    assert shown == 2 * ("  ░░▒▒▓▓██"[:: 1 if shown[0] == " " else -1] + "\n")


@pytest.mark.parametrize(
    ("env", "wanted"),
    [({}, "256"), ({"COLORTERM": "truecolor"}, "true"), ({"COLORTERM": "24bit", "NO_COLOR": "1"}, "none")],
)
def test_the_colors_that_a_terminal_has(env: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLORTERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert terminals.palette() == wanted


def test_kitty_gets_the_picture_in_pieces() -> None:
    image = picture(80, 60)
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", terminals.kitty(image, 3))
    assert len(pieces) > 2
    assert [about[-3:] for about, _ in pieces] == ["m=1"] * (len(pieces) - 1) + ["m=0"]
    assert all(len(piece) <= 4096 for _, piece in pieces)
    with Image.open(io.BytesIO(base64.b64decode("".join(piece for _, piece in pieces)))) as read:
        assert (np.asarray(read) == np.asarray(image)).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 6), (33, 20)])
def test_sixels_can_be_drawn(width: int, height: int) -> None:
    image = picture(3, 3).resize((width, height), Image.Resampling.NEAREST)
    drawn = from_sixels(terminals.sixels(image))
    assert np.abs(drawn - np.asarray(image).astype(int)).max() <= 3  # colours have 101 levels there


def from_sixels(text: str) -> np.ndarray[Any, Any]:
    """What a terminal draws."""
    head = re.match(r'\x1bPq"1;1;(\d+);(\d+)', text)
    assert head
    assert text.endswith("\x1b\\")
    width, height = map(int, head.groups())
    canvas = np.full((height + 6, width, 3), -1)
    colors: dict[int, list[int]] = {}
    x = top = color = 0
    for sign in re.findall(r"#\d+(?:;2;\d+;\d+;\d+)?|!\d+[?-~]|[?-~]|\$|-", text[head.end() : -2]):
        if sign.startswith("#"):
            color, *levels = (int(number) for number in sign[1:].split(";"))
            if levels:
                colors[color] = [round(level * 2.55) for level in levels[1:]]
        elif sign in "$-":
            x, top = 0, top + 6 * (sign == "-")
        else:
            times, bits = int(sign[1:-1] or 1) if sign[0] == "!" else 1, ord(sign[-1]) - 63
            for row in range(6):
                if bits >> row & 1:
                    canvas[top + row, x : x + times] = colors[color]
            x += times
    assert (canvas[:height] >= 0).all()
    return canvas[:height]


# Terminals


def talk(code: str, answer: bytes, arguments: list[str] | None = None) -> bytes:
    """What a program writes to a terminal that gives this answer when it is asked what it can do."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(sys.executable, [sys.executable, "-c", code, *(arguments or [])], environment(TERM="xterm"))  # noqa: S606
    heard = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # that is how the end of a pseudo-terminal is read
            piece = b""
        if not piece:
            break
        heard += piece
        if b"\x1b[c" in piece:
            os.write(terminal, answer)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert status == 0, heard
    return heard


@pytest.mark.parametrize(
    ("answer", "mode"),
    [
        (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "kitty"),
        (b"\x1b[?62;4;22c", "sixel"),
        (b"\x1b[?64;14;44c", "blocks"),
        (b"", "blocks"),
    ],
)
def test_a_terminal_is_asked_what_it_can_do(answer: bytes, mode: str) -> None:
    code = "from clipig_outputs.terminals import best; import sys; print(best(), sys.stdin.isatty())"
    assert talk(code, answer).endswith(f"{mode} True\r\n".encode())


def test_nobody_is_asked_where_there_is_no_terminal() -> None:
    code = "from clipig_outputs.terminals import ask; print(repr(ask()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, check=True
    )
    assert done.stdout == "''\n"


def test_pipes_and_plain_terminals_see_nothing(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    result = clipig.make({"resolution": 8, "epochs": 2, "targets": [{"constraints": ["blur"]}]}, preview=True)
    assert result.run.complete
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
@pytest.mark.parametrize("columns", [40, 200])
def test_a_run_in_a_terminal(columns: int, tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(CONFIG)
    run = f"{shlex.quote(command())} run demo.yaml -o out.png --preview; echo code $?; sleep 60"
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    size = ["-x", str(columns), "-y", "60"]
    subprocess.run(
        [*tmux, "new-session", "-d", *size, run], cwd=tmp_path, env=environment(LC_ALL="C.UTF-8"), check=True
    )
    try:
        deadline = time.monotonic() + 120
        screen = ""
        while "code " not in screen:
            assert time.monotonic() < deadline, screen
            time.sleep(0.2)
            screen = subprocess.check_output([*tmux, "capture-pane", "-p", "-e"], text=True, encoding="utf-8")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen).splitlines()
    assert "code 0" in plain
    drawn = [number for number, line in enumerate(plain) if "▀" in line]
    assert drawn == [*range(drawn[0], drawn[0] + 16)]  # one picture: each was drawn over the one before
    assert plain[drawn[-1] + 1].startswith("30 epochs in ")  # what is said in the end stands below
    assert {len(plain[number].rstrip()) for number in drawn} == {32}


class Stream(io.StringIO):
    """A terminal of 80 x 24 that remembers what was written."""

    def fileno(self) -> int:
        return 99


def test_what_else_is_written_is_not_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    stream = Stream()
    screen = preview.Screen(stream, 4, "blocks")
    try:
        for _ in range(2):
            screen.show(picture(8, 8))
        logging.getLogger("clipig").warning("careful")
        screen.show(picture(8, 8))
    finally:
        screen.close()
    assert stream.getvalue().count("\x1b[4A") == 1  # the second over the first, the third below the message
    assert screen not in logging.getLogger("clipig").handlers


def test_a_notebook_has_one_picture_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bytes] = []
    handle = SimpleNamespace(update=shown.append)
    module, displays = ModuleType("IPython"), ModuleType("IPython.display")
    vars(module).update(get_ipython=lambda: SimpleNamespace(kernel=True), display=displays)
    vars(displays).update(Image=lambda data: data, display=lambda *_, **__: handle)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    result = clipig.make({"resolution": 8, "epochs": 3, "targets": [{"constraints": ["blur"]}]}, preview=True)
    assert len(shown) >= 1
    with Image.open(io.BytesIO(shown[-1])) as image:
        wanted = (result.image[0].permute(1, 2, 0) * 255).round().int().numpy()
        assert (np.asarray(image) == wanted).all()
