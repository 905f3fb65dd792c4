"""The documentation is complete, and what it shows works."""

from __future__ import annotations

import importlib.util
import math
import re
from importlib.metadata import entry_points, metadata
from pathlib import Path
from types import ModuleType

import click
import pytest

from clipig_cli import cli
from clipig_core.config import check, sections
from clipig_core.config.document import LISTS
from clipig_core.config.plan import Plan
from clipig_core.engine.run import Run
from clipig_core.extension.documentation import EXAMPLE
from clipig_core.extension.kinds import KINDS
from clipig_core.extension.registry import Registry
from clipig_core.language.params import Declaration, declarations

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in [*DOCS.rglob("*.md"), ROOT / "README.md"] if "_build" not in path.parts)
NAMES = Path(__file__).with_name("reference_names.txt").read_text("utf-8").split()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("clipig_reference", DOCS / "_ext" / "clipig_reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator()
EXPANDED = {path.relative_to(ROOT).as_posix(): generator.expand(path.read_text("utf-8")) for path in PAGES}
REGISTRY = Registry()
BUILT_IN = [c for plugin in REGISTRY.plugins if plugin.built_in for c in plugin.components]


def blocks(text: str, language: str) -> list[str]:
    return [block for found, block in FENCE.findall(text) if found == language]


CONFIGS = {
    f"{page}:{number}": block
    for page, text in EXPANDED.items()
    for number, block in enumerate(blocks(text, "yaml"))
    if "targets:" in block and "# sketch" not in block
}


def read(block: str, folder: Path, **options: object) -> Plan:
    (folder / "page.yaml").write_text(block, "utf-8")
    return check.read([str(folder / "page.yaml")], options, REGISTRY)


@pytest.mark.parametrize("block", CONFIGS.values(), ids=CONFIGS)
def test_configs_load(block: str, tmp_path: Path) -> None:
    read(block, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("block", CONFIGS.values(), ids=CONFIGS)
def test_configs_run(block: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    *_, last = Run(read(block, tmp_path, model="emoji", epochs=3, seed=1))
    assert math.isfinite(last.loss)
    assert last.image.isfinite().all()
    said = [record.getMessage() for record in caplog.records]  # such as words that the model does not know
    assert said == [] or ("quantize" in block and said[0].startswith("no gradient reaches the picture"))


@pytest.mark.parametrize("hook", [kind.hook for kind in KINDS.values()])
def test_hooks_are_explained(hook: str) -> None:
    assert f"`{hook}`" in EXPANDED["docs/plugins.md"]


def test_commands_and_options_are_listed() -> None:
    page = EXPANDED["docs/reference/command-line.md"]
    built_in = [entry for entry in entry_points(group="clipig") if entry.dist and entry.dist.name == "clipig"]
    context = click.Context(cli, obj=Registry(built_in))
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command
        assert f"## clipig {name}\n" in page
        options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
        for name in [name for option in options for name in option.opts]:
            assert f"`{name}`" in page


def test_extras_that_are_mentioned_exist() -> None:
    texts = [*EXPANDED.values(), *(path.read_text("utf-8") for path in (ROOT / "plugins").rglob("*.py"))]
    mentioned = re.findall(r"\bclipig\[(\w+)\]", "\n".join(texts))
    assert {"ray", "video"} <= {*mentioned} <= {*(metadata("clipig").get_all("Provides-Extra") or ())}


@pytest.mark.parametrize("module", sorted(path.stem for path in (ROOT / "clipig_core").glob("[a-z]*.py")))
def test_modules_are_listed(module: str) -> None:
    assert f"automodule:: clipig_core.{module}\n" in EXPANDED["docs/api.md"]
    assert f"  {module}.py " in EXPANDED["docs/design.md"]


@pytest.mark.parametrize("kind", KINDS)
def test_components_are_listed(kind: str) -> None:
    everything = "\n".join(EXPANDED.values())
    heads = {
        name for line in re.findall(r"^## (?:clipig )?(.+)$", everything, re.MULTILINE) for name in line.split(", ")
    }
    assert {c.name for c in BUILT_IN if c.kind == kind} <= heads


def test_built_in_components_declare_their_examples() -> None:
    """Those that take parameters; made-up ones would do for a machine."""
    kinds = ("transform", "constraint", "feature")
    assert not [c.describe() for c in BUILT_IN if c.kind in kinds and c.params and not EXAMPLE.search(c.doc)]


SECTIONS = [
    getattr(sections, name)
    for name in ("Settings", "Init", "Target", "Feature", "Constraint", "Stage", "Finish", "Outputs")
]


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_listed(section: type) -> None:
    page = EXPANDED["docs/reference/config.md"]
    assert all(f"| `{name}` |" in page for name in [*declarations(section), *sections.CHOICES])


def test_every_part_of_a_config_has_its_place() -> None:
    page = EXPANDED["docs/reference/config.md"]
    heads = re.findall(r"^##+ (\S+)$", page, re.MULTILINE)
    assert {*sections.PARTS, "outputs", "targets.model"} <= {*heads}
    for look in REGISTRY.names("look"):
        assert f"`{look}`" in page


def params(kind: str, name: str) -> dict[str, Declaration]:
    try:
        return REGISTRY.find(kind, name).params
    except LookupError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_the_reference_are_declared(name: str) -> None:
    """Every parameter that configs of old may have is known."""
    match name.split("."):
        case [setting]:
            assert setting in {*declarations(sections.Settings), *sections.CHOICES, *LISTS, "init"}
        case ["init", parameter]:
            assert parameter in declarations(sections.Init)
        case ["targets", "features" | "transforms" | "constraints"]:
            pass
        case ["targets", parameter]:
            assert parameter in declarations(sections.Target)
        case ["targets", "features", parameter]:
            assert parameter in {
                *declarations(sections.Feature),
                *REGISTRY.named_values(),
                *REGISTRY.names("feature"),
            }
        case ["targets", "transforms", transform, *rest]:
            assert {*rest} <= params("transform", transform).keys()
        case ["targets", "constraints", constraint, *rest]:
            assert {*rest} <= params("constraint", constraint).keys() | declarations(sections.Constraint).keys()
        case ["postproc", "active" | "start" | "end" as parameter]:
            assert parameter in declarations(sections.Stage)
        case ["postproc", transform, *rest]:
            assert {*rest} <= params("transform", transform).keys()
            assert not REGISTRY.find("transform", transform).resizes
        case _:
            pytest.fail(f"{name} has no place")


def test_the_plugin_guide_shows_every_file_of_its_example() -> None:
    """From the beginning, as `clipig new-plugin` writes it, to a component of each kind."""
    found = re.findall(r"^```{literalinclude} (\S+)$", EXPANDED["docs/plugins.md"], re.MULTILINE)
    found = [path for path in found if not path.startswith("../plugins/")]  # built-ins that show something else
    folders = (ROOT / "clipig_cli" / "template", ROOT / "tests" / "example_plugin")
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".toml", ".yaml")]
    assert {(DOCS / path).read_text() for path in found} == {path.read_text() for path in files}


def test_the_readme_shows_what_new_plugin_writes() -> None:
    (shown,) = blocks((ROOT / "README.md").read_text("utf-8"), "python")
    assert shown == (ROOT / "clipig_cli" / "template" / "clipig_sepia" / "sepia.py").read_text()
