"""What people see of a run: progress, statistics, and the config beside the picture."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import io
import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import click
import torch
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from tqdm import tqdm

from clipig_cli.text import printable
from clipig_core.config import Config
from clipig_core.engine.run import Run, Step
from clipig_core.engine.statistics import Statistics

BAR_SECONDS = 0.2
LINE_SECONDS = 10.0


class Reporter:
    """Follows a run: decides when to save, shows progress, gathers statistics."""

    def __init__(self, config: Config, run: Run, image: Path) -> None:
        self.run = run
        self.verbose: int = config.constant("verbose")
        self.interval: int | float = config.constant("snapshot_interval")
        self.statistics = Statistics()
        self._last: Step | None = None
        self.started = self._saved = time.monotonic()
        self._shown = 0.0
        self.done = 0
        self._terminal = _is_terminal()
        self.bar = tqdm(
            total=run.epochs - run.start_epoch,
            desc=image.name,
            unit="epoch",
            leave=False,
            disable=self.verbose < 1 or not self._terminal,
        )

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def update(self, step: Step) -> bool:
        """Take note of an epoch; True if it is time for a snapshot."""
        self.done += 1
        self.statistics.add(step)
        self._last = step
        if self.verbose:
            self._show(step)
        if isinstance(self.interval, int):
            return self.interval > 0 and self.done % self.interval == 0
        due = self.interval > 0 and time.monotonic() - self._saved >= self.interval
        if due:
            self._saved = time.monotonic()
        return due

    def _show(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._shown < (BAR_SECONDS if self._terminal else LINE_SECONDS) and step.epoch < self.run.epochs - 1:
            return
        self._shown = now
        similarity = "" if step.similarity is None else f", similarity {step.similarity:.2f}"
        state = f"loss {step.loss:.4f}{similarity}"
        if self._terminal:
            self.bar.set_postfix_str(state, refresh=False)
            self.bar.update(self.done - self.bar.n)
        else:
            rate = self.done / max(1e-9, self.seconds)
            left = (self.run.epochs - 1 - step.epoch) / rate
            self.say(f"epoch {step.epoch + 1}/{self.run.epochs}, {rate:.2f}/s, {left:.0f} s left, {state}")

    def finish(self, image: Path) -> None:
        if self.verbose > 1:
            self.say("\n".join(map(printable, self.lines())))
        if self.verbose:
            self.say(f"saved {image}")

    def say(self, text: str) -> None:
        """Print to stderr. A picture does not depend on somebody listening."""
        with contextlib.suppress(OSError, ValueError):
            click.echo(text, err=True)

    def heading(self) -> str:
        """How the picture was made, as comments for the config beside it."""
        found = {name: importlib.metadata.version(name) for name in ("clipig", "torch", "torchvision", "clip-anytorch")}
        used = (use.component.plugin for use in self.run.config.uses())
        found |= {plugin.distribution: plugin.version for plugin in used if not plugin.built_in}
        versions = ", ".join(f"{name} {version}" for name, version in found.items())
        seed, run = self.run.config.constant("seed"), self.run
        lines = [
            f"made {datetime.datetime.now().astimezone().isoformat(timespec='seconds')}",
            f"with {versions}, on {run.device}, {str(run.dtype).removeprefix('torch.')}",
            f"seed {seed}, {self.done} of {run.epochs - run.start_epoch} epochs, {self.seconds:.1f} s",
            *self.lines(),
        ]
        return "".join(f"# {printable(line)}\n" for line in lines)

    def lines(self) -> list[str]:
        """The statistics, for people."""
        pixels = self.run.image[0].clamp(0, 1)
        colored = (pixels - pixels.mean(0)).abs()
        mean, std, saturation = torch.stack([pixels.mean(), pixels.std(), colored.mean()]).tolist()
        image = f"image: mean {mean:.4f}, std {std:.4f}, saturation {saturation:.4f}"
        loss = [f"loss of the last epoch: {self._last.loss:.4f}"] if self._last else []
        return [image, *loss, *self.statistics.lines()]


def _is_terminal() -> bool:
    return bool(sys.stderr and not sys.stderr.closed and sys.stderr.isatty())


def as_yaml(config: Config) -> str:
    """The whole config; it can be run again as it is."""
    yaml = YAML(typ="rt")
    yaml.width = 110
    yaml.default_flow_style = None
    text = io.StringIO()
    yaml.dump(_quoted(config.dump()), text)
    return text.getvalue()


_PLAIN = re.compile(r"[A-Za-z0-9_.+*/()-][A-Za-z0-9_.,+*/() <>=-]*")


def _quoted(value: Any) -> Any:
    """Texts in double quotes, with escapes, unless they are nothing but letters, numbers and arithmetic."""
    if isinstance(value, dict):
        return {key: _quoted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_quoted(entry) for entry in value]
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value
