"""What a terminal shows of a run, whatever its width, and what a file gets."""

from __future__ import annotations

import io
import logging
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipig_cli.progress import Progress
from clipig_cli.terminal import Messages, Terminal, cells
from clipig_core.engine.statistics import Row
from tests.cli.support import clipig, command, environment

CONFIG = "device: cpu\nresolution: 16\nepochs: {epochs}\ntargets:\n  - constraints:\n      - blur: 3\n"
STATE = Progress("fox.png", 99, 220, 5.75, 1.2345, [("photo 0", 28.12), ("photo 1", 31.6)])
LINES = {
    40: " 45% ━━━━━━──────── 0:21 left, 99/220",
    80: " 45% ━━━━━━──────── 0:21 left, 99/220, loss 1.234, photo 0 28.1, photo 1 31.6",
    200: "fox.png   45% ━━━━━━━━━━━━━━━━━━────────────────────── 0:21 left, 99/220, loss 1.234, photo 0 28.1, "
    "photo 1 31.6, 5.8/s",
}


@pytest.mark.parametrize("columns", LINES)
def test_the_bar_says_what_there_is_room_for(columns: int) -> None:
    assert STATE.bar(columns) == LINES[columns]


@given(
    st.integers(1, 300),
    st.text(max_size=40),
    st.lists(st.tuples(st.text(max_size=30), st.floats(-100, 100)), max_size=5),
    st.floats(0, 1e6),
    st.integers(0, 10**8),
)
def test_the_bar_is_narrower_than_any_terminal(
    columns: int, name: str, similarities: list[tuple[str, float]], rate: float, done: int
) -> None:
    state = Progress(ascii(name), done, 10**8, rate, 1e30, [(ascii(name), mean) for name, mean in similarities])
    assert cells(state.bar(columns)) < max(2, columns)


class Screen(io.StringIO):
    """A terminal whose width is what the test says."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(Terminal, "columns", 80)
    return Terminal(Screen())


def written(terminal: Terminal) -> str:
    assert isinstance(terminal.stream, Screen)
    return terminal.stream.getvalue()


def test_lines_that_stay_go_above_the_one_that_changes(terminal: Terminal) -> None:
    terminal.show("10%")
    terminal.say("saved")
    assert written(terminal) == "10%\r\x1b[Jsaved\n10%"


def test_a_line_that_a_narrower_terminal_broke_is_cleared_in_all_its_rows(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.show("x" * 79)
    monkeypatch.setattr(Terminal, "columns", 40)
    terminal.clear()
    assert written(terminal) == "x" * 79 + "\x1b[1A\r\x1b[J"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_statistics_fit_the_terminal(terminal: Terminal, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Terminal, "columns", columns)
    line = Row(0, "fox", "feature", "a red fox", 1.0, 2400, 0.5, 0.4, (20.0, 10.0, 30.0), 2400).line()
    terminal.fold(line)
    shown = written(terminal).splitlines()
    assert all(len(one) < columns for one in shown)
    assert [" " * 2, " " * 6][: len(shown)] == [one[: len(one) - len(one.lstrip())] for one in shown[:2]]
    assert " ".join(" ".join(shown).split()) == " ".join(line.split())


def test_a_file_gets_whole_lines() -> None:
    file = io.StringIO()
    Terminal(file).fold("word " * 60)
    assert file.getvalue().count("\n") == 1


def test_the_same_message_is_not_said_twice_in_a_row(terminal: Terminal) -> None:
    messages = Messages(terminal)
    for text in ("one", "one", "two", "one"):
        messages.handle(logging.LogRecord("clipig", logging.INFO, "", 0, text, None, None))
    assert re.findall("one|two", written(terminal)) == ["one", "two", "one"]


def test_colors(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.say("saved", "green")
    assert written(terminal) == "\x1b[32msaved\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal(Screen())
    plain.say("saved", "green")
    assert written(plain) == "saved\n"


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_a_pipe_gets_no_control_characters(stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    pipe = Terminal()
    pipe.show("10%")
    pipe.say("saved", "green")
    pipe.clear()
    assert stream is None or stream.getvalue() == "saved\n"


def test_a_file_gets_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG.format(epochs=20))
    lines = clipig(tmp_path, "run", "a.yaml", "-o", "out/", COLUMNS="40").stderr.splitlines()
    assert lines[0] == "loading pixels ..."
    assert lines[1].startswith("loaded torch ")
    assert any(line.startswith("epoch 20/20, ") for line in lines)
    assert lines[-1] == "saved out/a.png"
    assert not any("\x1b" in line or "\r" in line for line in lines)


@pytest.fixture
def tmux() -> Iterator[list[str]]:
    if not shutil.which("tmux"):
        pytest.skip("there is no tmux")
    server = ["tmux", "-L", f"clipig-{uuid4().hex}", "-f", "/dev/null"]
    yield server
    subprocess.run([*server, "kill-server"], check=False, capture_output=True)


def wait_for(server: list[str], text: str) -> str:
    """What the terminal shows, once the text is there."""
    shown, deadline = "", time.monotonic() + 120
    while text not in shown and time.monotonic() < deadline:
        time.sleep(0.05)
        shown = subprocess.run([*server, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout
    assert text in shown
    return shown.rstrip()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_real_terminal(tmp_path: Path, tmux: list[str], columns: int) -> None:
    """It says at once what it does, shows one bar, also after it was resized, and leaves nothing of it behind."""
    (tmp_path / "a.yaml").write_text(CONFIG.format(epochs=100_000_000))
    size = ["-x", str(columns), "-y", "24"]
    env = environment(TERM="screen", LANG="C.UTF-8", PYTHONUTF8="1")
    start = [
        "new-session",
        "-d",
        *size,
        "-c",
        str(tmp_path),
        f"trap : INT; {command()} run a.yaml -v 1 -o out/; sleep 60",
    ]
    subprocess.run([*tmux, *start], env=env, check=True, cwd=tmp_path)
    wait_for(tmux, " ...")
    shown = wait_for(tmux, " left")
    bar = shown.splitlines()[-1]
    assert len(bar) < columns
    assert shown.count("left") == 1
    subprocess.run([*tmux, "resize-window", "-x", str(columns - 12), "-y", "24"], check=True)
    time.sleep(1)
    assert wait_for(tmux, " left").count("left") == 1
    subprocess.run([*tmux, "send-keys", "C-c"], check=True)
    shown = wait_for(tmux, "saved out/a.png")
    assert "interrupted after" in shown
    assert " left" not in shown
    assert (tmp_path / "out" / "a.png").stat().st_size
