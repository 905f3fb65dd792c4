"""From YAML files to a checked plan of a run.

`read` merges the files and the command line's options and checks everything that can be seen without importing a
component; `Config.bind` then checks the parameters of the components, which imports them. Both report all problems
at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clipig_core.config.check import DEVICE, check, split_output
from clipig_core.config.document import LISTS, document, filled_in, merge, override
from clipig_core.config.plan import DEFAULT, Config, ConstraintConfig, FeatureConfig, StageConfig, TargetConfig, Use
from clipig_core.config.sections import CHOICES, PARTS, Constraint, Feature, Finish, Init, Settings, Stage, Target
from clipig_core.extension.registry import Registry
from clipig_core.language.nodes import Node

__all__ = [
    "CHOICES",
    "DEFAULT",
    "DEVICE",
    "LISTS",
    "PARTS",
    "Config",
    "Constraint",
    "ConstraintConfig",
    "Feature",
    "FeatureConfig",
    "Finish",
    "Init",
    "Settings",
    "Stage",
    "StageConfig",
    "Target",
    "TargetConfig",
    "Use",
    "check",
    "document",
    "filled_in",
    "merge",
    "override",
    "read",
    "split_output",
]


def read(
    sources: Sequence[str | Node],
    options: Mapping[str, Any],
    registry: Registry,
    changes: Sequence[tuple[str, str]] = (),
) -> Config:
    """The config of some YAML files (`-` is standard input) or documents, and of options, which win.

    `changes` set single parameters in the end, `targets.0.weight` to a YAML text.

    Raises:
        InputError: with every problem that can be seen without importing a component.
    """
    return check(document(sources, options, registry, changes), registry)
