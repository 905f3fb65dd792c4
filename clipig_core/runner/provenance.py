"""How a picture was made: the whole config as YAML, headed by versions, seed and statistics."""

from __future__ import annotations

import datetime
import importlib.metadata
import io
import re
from typing import Any

import torch
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from torch import Tensor

from clipig_core.config import Plan
from clipig_core.engine.run import Run
from clipig_core.errors import printable


def provenance(run: Run, image: Tensor) -> str:
    """The text that goes with a picture [1, 3, H, W]; it can be run again as it is."""
    return heading(run, image) + as_yaml(run.plan)


def heading(run: Run, image: Tensor) -> str:
    """How the picture was made, as comments."""
    found = {name: importlib.metadata.version(name) for name in ("clipig", "torch", "torchvision", "clip-anytorch")}
    used = (use.component.plugin for use in run.plan.uses())
    found |= {plugin.distribution: plugin.version for plugin in used if not plugin.built_in}
    versions = ", ".join(f"{name} {version}" for name, version in found.items())
    lines = [
        f"made {datetime.datetime.now().astimezone().isoformat(timespec='seconds')}",
        f"with {versions}, on {run.device}, {str(run.dtype).removeprefix('torch.')}",
        f"seed {run.plan.seed}, {run.done} of {run.total} epochs, {run.seconds:.1f} s",
        *summary(run, image),
    ]
    return "".join(f"# {printable(line)}\n" for line in lines)


def summary(run: Run, image: Tensor) -> list[str]:
    """The statistics of picture and run, for people."""
    pixels = image[0]
    colored = (pixels - pixels.mean(0)).abs()
    mean, std, saturation = torch.stack([pixels.mean(), pixels.std(), colored.mean()]).tolist()
    lines = [f"image: mean {mean:.4f}, std {std:.4f}, saturation {saturation:.4f}"]
    if run.last:
        lines.append(f"loss of the last epoch: {run.last.loss:.4f}")
    return [*lines, *run.statistics.lines()]


def as_yaml(plan: Plan) -> str:
    """The whole config, with all defaults."""
    yaml = YAML(typ="rt")
    yaml.width = 110
    yaml.default_flow_style = None
    text = io.StringIO()
    yaml.dump(_quoted(plan.dump()), text)
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
