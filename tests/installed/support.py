"""Fresh virtual environments, and small distributions to install in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Done = subprocess.CompletedProcess[str]


class Environment:
    """A virtual environment of its own, on top of the one that runs the tests: that one has clipig, torch and pip."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        (packages,) = folder.glob("lib/python*/site-packages")
        below = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        # Not just lines with the paths: files such as those of an editable clipig are to be read there, too.
        lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(below)]
        (packages / "below.pth").write_text("".join(lines))

    def run(self, *args: str | Path, folder: Path | None = None, **more: str) -> Done:
        """One run of its Python, in `folder` or its own."""
        own = ("PYTHON", "CLIPIG_", "PIP_", "COLUMNS")  # and no terminal, of which pytest-xdist tells the width
        env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        return subprocess.run(
            [self.python, *args],
            cwd=folder or self.folder,
            env={**env, "OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def clipig(self, *args: str | Path, folder: Path | None = None, **more: str) -> Done:
        """What the command `clipig` does; it must not end with a traceback."""
        done = self.run("-P", "-c", "from clipig_cli import main; main()", *args, folder=folder, **more)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def listing(self, **more: str) -> dict[str, dict[str, Any]]:
        """`clipig plugins --json`, by the names of the plugins."""
        done = self.clipig("plugins", "--json", folder=None, **more)
        assert (done.returncode, done.stderr) == (0, "")
        return {plugin["name"]: plugin for plugin in json.loads(done.stdout)}

    def pip(self, *args: str | Path) -> None:
        done = self.run("-m", "pip", *args)
        assert done.returncode == 0, done.stderr

    def install(self, *wheels: str | Path) -> None:
        self.pip("install", "--no-deps", *wheels)


def build(source: Path, folder: Path) -> Path:
    """The wheel of a source tree, by its own build backend, which must be installed."""
    args: list[str | Path] = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source]
    done = subprocess.run([sys.executable, "-m", "pip", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def write_wheel(
    folder: Path, distribution: str, modules: Mapping[str, str], requires: Sequence[str] = (), readme: str = ""
) -> Path:
    """A wheel, written at once; its entry point names the module that is called as the distribution."""
    name = distribution.replace("-", "_")
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
    files = {f"{module}.py": code for module, code in modules.items()} | {
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {one}\n" for one in requires) + f"\n{readme}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[clipig]\n{name} = {name}\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel


def provide(kind: str, **components: str) -> str:
    """A module with one hook."""
    return f"from clipig_core import hookimpl\n\n\n@hookimpl\ndef clipig_{kind}():\n    return {components!r}\n"
