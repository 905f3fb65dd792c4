"""The core knows no feature: without one of the built-in plugins, what does not need it works."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from clipig_core.config.check import check
from clipig_core.engine.run import Run
from clipig_core.extension.documentation import example
from clipig_core.extension.kinds import Stands
from clipig_core.extension.registry import BUILT_IN, Registry
from clipig_core.language.yaml import read_yaml
from tests.core.support import REGISTRY, problems_of

PLUGINS = sorted(one.name for one in entry_points(group="clipig") if one.dist and one.dist.name == BUILT_IN)
NEEDED = {"canvases": "canvas", "optimizers": "optimizer", "clip": "model", "losses": "loss"}
"""The plugins with the defaults that every config with a feature takes, and the kinds of these."""

SHOWN = [
    (component, example(component, component.name))
    for plugin in REGISTRY.plugins
    for component in plugin.components
    if component.contract.stands in (Stands.TARGET_LIST, Stands.RUN_CHOICE) and not component.name.startswith(".")
]


@pytest.fixture(params=PLUGINS)
def lost(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-photo.jpg").touch()  # of an example
    monkeypatch.setenv("CLIPIG_DISABLE", str(request.param))
    return str(request.param)


def test_the_examples_of_all_others_are_right_or_say_what_is_missing(lost: str) -> None:
    registry = Registry()
    assert {plugin.name: plugin.status for plugin in registry.plugins}[lost] == "disabled"
    for component, text in SHOWN:
        used = {use.component.plugin.name for use in check(read_yaml(text, component.name), REGISTRY).uses()}
        if lost not in used:
            check(read_yaml(text, component.name), registry)
        else:
            problems = problems_of(lambda text=text: check(read_yaml(text, "a.yaml"), registry))  # type: ignore[misc]
            assert any(f"'{lost}'" in str(problem) for problem in problems)


def test_a_run_without_it(lost: str) -> None:
    constraint = "saturation" if lost == "filters" else "blur"
    config = f"resolution: 8\nepochs: 2\ntargets: [{{constraints: [{constraint}]}}]"
    registry = Registry()
    if lost in ("canvases", "optimizers"):
        (problem,) = problems_of(lambda: check(read_yaml(config, "a.yaml"), registry))
        assert f"no plugin declares a default {NEEDED[lost]}" in str(problem)
        assert f"plugin '{lost}'" in str(problem)
    else:
        *_, last = Run(check(read_yaml(config, "a.yaml"), registry))
        assert last.epoch == 1
