"""The installed command, and small distributions for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def command() -> str:
    found = shutil.which("clipig", path=Path(sys.executable).parent) or shutil.which("clipig")
    assert found
    return found


def environment(**more: str) -> dict[str, str]:
    """That of the tests, but for what it says about a terminal."""
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    return {**env, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default", **more}


def clipig(folder: Path, *args: str | Path, stdin: str = "", **more: str) -> Done:
    """One run of the command in `folder`; it must not end with a traceback."""
    done = subprocess.run(
        [command(), *map(str, args)],
        cwd=folder,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def install(folder: Path, name: str, code: str) -> Path:
    """A third-party distribution with one plugin."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[clipig]\n{name} = {name}\n")
    return folder
