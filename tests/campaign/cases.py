"""What the parts of the campaign share."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clipig_core.errors import ClipigError, InputError
from clipig_core.extension.registry import Registry

Case = Callable[[], str]
Cases = Callable[[random.Random, Path], Iterator[tuple[str, Case]]]
"""From randomness and an empty folder to what each case is, for reports, and the case."""

SECONDS = 60
"""What no case may take."""

MEMORY = 8 << 30


def told(error: ClipigError) -> str:
    """What is wrong with a message."""
    text = str(error)
    lines = text.split("\n")
    if not text.strip() or text.strip("' ").isdecimal():
        return f"the message {text!r} says nothing"
    if len(lines) > 21 or max(map(len, lines)) > 1600:
        return f"the message has {len(lines)} lines, the longest of {max(map(len, lines))} characters"
    if isinstance(error, InputError) and not all(line.isprintable() for line in lines):
        return f"the message {text[:200]!r} has control characters"
    return ""


@dataclass
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str
    seconds: float
    megabytes: float

    def defect(self, codes: tuple[int, ...]) -> str:
        """What is wrong, if only these exit codes are right."""
        if "Traceback" in self.err:
            return self.err[self.err.index("Traceback") :][-600:]
        if self.code not in codes:
            return f"exit code {self.code}: {self.err[-300:]}"
        wild = {char for char in self.out + self.err if not char.isprintable() and char not in "\n\r"}
        return f"control characters {wild} reach the terminal" if wild else ""


def forked(action: Callable[[], object], folder: Path, kill_after: float = SECONDS) -> Ended:
    """Run something in a child, which has all that is imported here, in a folder; kill it when it is late."""
    streams = [folder.parent / f"{folder.name}.{name}" for name in ("out", "err")]
    started = time.monotonic()
    child = os.fork()
    if not child:
        _in_child(action, folder, streams)
    code, usage = None, None
    while code is None:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        elif time.monotonic() - started > kill_after:
            os.kill(child, signal.SIGKILL)
            kill_after = float("inf")
        else:
            time.sleep(0.002)
    out, err = (stream.read_text(errors="surrogateescape") for stream in streams)
    seconds = usage.ru_utime + usage.ru_stime if usage else 0.0
    return Ended(code, out, err, seconds, usage.ru_maxrss / 1024 if usage else 0.0)


def _in_child(action: Callable[[], object], folder: Path, streams: list[Path]) -> None:
    code = 70
    try:
        for number, stream in enumerate(streams, 1):
            os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.chdir(folder)
        os.environ["HOME"] = str(folder.parent)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        action()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def warm(registry: Registry) -> None:
    """Import what a child would import."""
    import clipig_cli.progress
    import clipig_core.runner.outputs
    import clipig_core.runner.picture

    assert clipig_cli.progress
    assert clipig_core.runner.outputs
    assert clipig_core.runner.picture
    for plugin in registry.plugins:
        for component in plugin.components:
            with contextlib.suppress(ClipigError):
                assert component.loaded


def command(*arguments: str) -> Callable[[], None]:
    """The command line, for `forked`."""

    def run() -> None:
        from clipig_cli import main

        sys.argv = ["clipig", *arguments]
        main()

    return run


def spoiled(good: bytes, rng: random.Random) -> bytes:
    """Some bytes cut, changed, repeated or put in."""
    content = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(content) + 1)
        length = rng.choice((1, 1, 4, 64))
        match rng.randrange(5):
            case 0:
                del content[at:]
            case 1:
                content[at : at + length] = rng.randbytes(length)
            case 2:
                content[at:at] = content[at : at + length] * rng.choice((1, 3))
            case 3:
                del content[at : at + length]
            case 4 if content:
                content[at % len(content)] ^= 1 << rng.randrange(8)
    return bytes(content)
