"""The life of a plugin, from source to removal: the example of the guide, and what `clipig new-plugin` writes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from clipig_core.extension.kinds import KINDS
from tests.installed.support import Environment, build

EXAMPLE = Path(__file__).parents[1] / "example_plugin"
REFERENCE = Path(__file__).parents[2] / "docs" / "_ext" / "clipig_reference.py"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


@pytest.fixture(params=["the example", "a new one"])
def source(request: pytest.FixtureRequest, environment: Environment, tmp_path: Path) -> Path:
    """A source tree whose example.yaml uses what it provides."""
    source = tmp_path / "clipig-sepia"
    if request.param == "the example":
        shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(source / "old_photograph.yaml", tmp_path / "example.yaml")
    else:
        done = environment.clipig("new-plugin", "soft-glow", folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "clipig-soft-glow\n")
        source = tmp_path / "clipig-soft-glow"
        (config,) = re.findall(r"^```yaml\n(.*?)^```", (source / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        (tmp_path / "example.yaml").write_text(config)
    return source


def test_it_is_built_installed_found_tested_used_and_removed(
    environment: Environment, source: Path, tmp_path: Path
) -> None:
    before = environment.listing()
    name = source.name.removeprefix("clipig-").replace("-", "_")

    environment.install(build(source, tmp_path / "dist"))
    after = environment.listing()
    assert after.keys() - before.keys() == {name}
    assert (after[name]["distribution"], after[name]["status"]) == (source.name, "ok")
    kinds = {component["kind"] for component in after[name]["components"]}
    assert kinds == ({"transform"} if name == "soft_glow" else {*KINDS, "paper"})
    assert environment.clipig("plugins", name, "--strict").returncode == 0

    if name == "sepia":
        look_at_a_kind_that_it_brings(environment)

    tests = tmp_path / "tests"  # where only what is installed can be imported
    shutil.copytree(source / "tests", tests)
    done = environment.run("-P", "-m", "pytest", "-p", "no:cacheprovider", ".", folder=tests)
    assert done.returncode == 0, done.stdout

    done = environment.clipig("run", "example.yaml", "-o", "made.png", "-e", "2", "-r", "32", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made.png").stat().st_size > 0

    environment.pip("uninstall", "--yes", source.name)
    assert environment.listing() == before
    done = environment.clipig("run", "example.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert f"unknown transform '{name}'" in done.stderr


def look_at_a_kind_that_it_brings(environment: Environment) -> None:
    """Nothing in clipig knows papers, which are in listing, help, schema and reference all the same."""
    assert re.search(r"^ +paper +baryta, fibre$", environment.clipig("plugins").stdout, re.MULTILINE)
    assert "the colour of paper that has seen no light" in environment.clipig("plugins", "paper").stdout
    assert "\n  paper:\n    baryta: 60\n" in environment.clipig("plugins", "baryta").stdout
    assert re.search(r"^  toned +What a colour becomes in sepia\.$", environment.clipig("--help").stdout, re.MULTILINE)
    assert environment.clipig("toned", "1", "0", "0").stdout == "0.433 0.333 0.233\n"
    paper = json.loads(environment.clipig("schema").stdout)["properties"]["paper"]
    assert (paper["description"], paper["default"]) == ("The paper: a name, or one name with parameters.", "baryta")
    code = f"import runpy; made = runpy.run_path({str(REFERENCE)!r})"
    code += "; print(made['kinds'](''), made['components']('paper'))"
    written = environment.run("-c", code).stdout
    assert "| `paper` | `clipig_papers` | a choice of the run | the colour of paper that has seen no light |" in written
    assert "## baryta, fibre\n" in written


def test_an_editable_plugin_whose_package_was_renamed(environment: Environment, tmp_path: Path) -> None:
    assert environment.clipig("new-plugin", "soft-glow", folder=tmp_path).returncode == 0
    source = tmp_path / "clipig-soft-glow"
    environment.pip("install", "--no-deps", "--no-build-isolation", "--editable", source)
    assert environment.listing()["soft_glow"]["status"] == "ok"

    (source / "clipig_soft_glow").rename(source / "clipig_glow")
    plugin = environment.listing()["soft_glow"]
    assert (plugin["status"], plugin["components"]) == ("broken", [])
    assert "No module named 'clipig_soft_glow'" in plugin["errors"][0]
    assert environment.clipig("plugins", "--strict").returncode == 1
