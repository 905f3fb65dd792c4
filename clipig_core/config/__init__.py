"""From YAML files to a checked plan of a run.

`document` merges files and options, `check` makes a plan of what came out, and `read` does both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipig_core.config.check import check, choice
from clipig_core.config.document import LISTS, Document, document, filled_in, merge, override
from clipig_core.config.plan import ConstraintPlan, FeaturePlan, Plan, Section, StagePlan, TargetPlan, Use
from clipig_core.config.sections import (
    CHOICES,
    PARTS,
    Constraint,
    Feature,
    Finish,
    Init,
    Outputs,
    Settings,
    Stage,
    Target,
    split_output,
)
from clipig_core.extension.registry import Registry
from clipig_core.language.nodes import Node

__all__ = [
    "CHOICES",
    "LISTS",
    "PARTS",
    "Constraint",
    "ConstraintPlan",
    "Document",
    "Feature",
    "FeaturePlan",
    "Finish",
    "Init",
    "Outputs",
    "Plan",
    "Section",
    "Settings",
    "Stage",
    "StagePlan",
    "Target",
    "TargetPlan",
    "Use",
    "check",
    "choice",
    "document",
    "filled_in",
    "merge",
    "override",
    "read",
    "split_output",
]


def read(
    sources: Sequence[str | Node],
    options: Mapping[str, object],
    registry: Registry,
    changes: Sequence[tuple[str, str]] = (),
) -> Plan:
    """The plan of some YAML files (`-` is standard input) or documents, and of options, which win.

    `changes` set single parameters in the end, `targets.0.weight` to a YAML text.

    Raises:
        InputError: with every problem that was found.
    """
    return check(document(sources, options, registry, changes), registry)
