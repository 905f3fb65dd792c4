"""How a picture was made: the whole config as YAML, headed by versions, seed and statistics."""

from __future__ import annotations

import datetime
import importlib.metadata
import io
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from torch import Tensor

from clipig_core.config.plan import Plan
from clipig_core.config.requires import required
from clipig_core.config.templates import escaped
from clipig_core.engine.run import Run
from clipig_core.engine.statistics import table
from clipig_core.errors import printable
from clipig_core.language.assets import hashed
from clipig_core.language.params import File
from clipig_core.runner.verdict import of_run


def provenance(run: Run, image: Tensor) -> str:
    """The text that goes with a picture [1, 3, H, W]; it can be run again as it is."""
    return heading(run, image) + as_yaml(run.plan)


def inside(run: Run, image: Tensor) -> str:
    """What is written into a picture or video; nothing if the config says `metadata: false`."""
    return provenance(run, image) if run.plan.settings.fixed.metadata else ""


def heading(run: Run, image: Tensor) -> str:
    """How the picture was made, as comments."""
    found = {name: importlib.metadata.version(name) for name in ("clipig", "torch", "torchvision", "clip-anytorch")}
    others = [use for use in run.plan.uses() if use.component.plugin.distribution and not use.component.plugin.built_in]
    found |= {use.component.plugin.distribution: use.component.plugin.version for use in others}
    versions = ", ".join(f"{name} {version}" for name, version in found.items())
    lines = [
        f"made {datetime.datetime.now().astimezone().isoformat(timespec='seconds')}",
        f"with {versions}, on {run.device}, {str(run.dtype).removeprefix('torch.')}",
        f"seed {run.plan.seed}, {run.done} of {run.total} epochs, {run.seconds:.1f} s",
        *(f"until epoch {epoch} with another config than this" for epoch in run.changes[-1:]),
        *summary(run, image),
    ]
    return "".join(f"# {printable(line)}\n" for line in lines)


def summary(run: Run, image: Tensor) -> list[str]:
    """The statistics of picture and run, and what they say, for people."""
    pixels = image[0]
    colored = (pixels - pixels.mean(0)).abs()
    mean, std, saturation = torch.stack([pixels.mean(), pixels.std(), colored.mean()]).tolist()
    lines = [f"image: mean {mean:.4f}, std {std:.4f}, saturation {saturation:.4f}"]
    if run.last:
        lines.append(f"loss of the last epoch: {run.last.loss:.4f}")
    rows = run.statistics.rows()
    return [*lines, *table(rows), *(f"verdict: {sentence}" for sentence in of_run(run))]


ELSEWHERE = ("output", "device", "verbose")
"""What a config that travels with its picture leaves to where it is run."""


def as_yaml(plan: Plan) -> str:
    """The whole config, with all defaults, as it can be run on any machine: files by name and content."""
    yaml = YAML(typ="rt")
    yaml.width = 110
    yaml.default_flow_style = None
    text = io.StringIO()
    names = {escaped(str(path)): escaped(_hashed(path, name)) for name, path in plan_files(plan).items()}
    whole = {name: value for name, value in plan.dump().items() if name not in ELSEWHERE}
    yaml.dump(_quoted(_renamed({"requires": required(plan), **whole}, names)), text)
    return text.getvalue()


def plan_files(plan: Plan) -> dict[str, Path]:
    """The files of this machine that a plan reads, by names that do not repeat."""
    values = [*plan.init.values.values(), *(value for use in plan.uses() for value in use.values.values())]
    written = [item for value in values for item in value.items if isinstance(item, File)]
    written += [File(use.name) for use in plan.uses() if use.component.contract.files]
    found: dict[str, Path] = {}
    for path in dict.fromkeys(Path(item) for item in written if Path(item).is_absolute()):
        name, number = path.name, 1
        while name in found:
            name, number = f"{path.stem}-{number}{path.suffix}", number + 1
        found[name] = path
    return found


def _hashed(path: Path, name: str) -> str:
    try:
        return hashed(path, name)
    except OSError:  # it is gone by now
        return name


def _renamed(value: object, names: Mapping[str, str]) -> object:
    """A plain value with other names for files."""
    if isinstance(value, dict):
        return {names.get(str(key), key): _renamed(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return [_renamed(entry, names) for entry in value]
    return names.get(value, value) if isinstance(value, str) else value


_PLAIN = re.compile(r"[A-Za-z0-9_.+*/()-][A-Za-z0-9_.,+*/() <>=-]*")


def _quoted(value: object) -> object:
    """Texts in double quotes, with escapes, unless they are nothing but letters, numbers and arithmetic."""
    if isinstance(value, dict):
        return {key: _quoted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_quoted(entry) for entry in value]
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value
