"""The distributions that a config needs: `requires: [clipig>=0.2, clipig-sepia>=1.0]`."""

from __future__ import annotations

import importlib.metadata

from clipig_core.config.plan import Plan
from clipig_core.errors import Problem
from clipig_core.language.nodes import Node


def required(plan: Plan) -> list[str]:
    """What a plan needs, as it is installed here."""
    used = {use.component.plugin.distribution: use.component.plugin.version for use in plan.uses()}
    return [f"{name}>={version}" for name, version in sorted(used.items()) if name]


def unmet(node: Node) -> list[Problem]:
    """What is wrong with a list of requirements, and what of it is not installed."""
    if node.value is None:
        return []
    entries = node.value if isinstance(node.value, list) else [node]
    return [problem for entry in entries if (problem := _unmet(entry))]


def _unmet(entry: Node) -> Problem | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(entry.value if isinstance(entry.value, str) else "")
    except InvalidRequirement:
        return Problem(f"requires: {entry.describe()} is no requirement", entry.place, "such as 'clipig-sepia>=1.0'")
    try:
        present = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        hint = f"pip install '{wanted}'"
        return Problem(f"requires: the distribution '{wanted.name}' is not installed", entry.place, hint)
    if wanted.specifier.contains(present, prereleases=True):
        return None
    return Problem(f"requires: '{wanted}' is needed, but this is {wanted.name} {present}", entry.place)
