"""Kinds are objects: entries, aliases, defaults, functions of expressions, and kinds that plugins bring."""

from __future__ import annotations

import logging
import random
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from clipig_core.config import check as checking
from clipig_core.config.document import Document
from clipig_core.config.json_schema import Builder, json_schema
from clipig_core.config.keys import keys
from clipig_core.config.plan import Plan
from clipig_core.config.templates import fill, gaps
from clipig_core.engine.run import Run
from clipig_core.errors import InputError
from clipig_core.extension.kinds import COMMAND, FUNCTION, KINDS, LOOK, Kind, Stands, first_sentence
from clipig_core.extension.registry import Registry
from clipig_core.language.yaml import read_yaml
from tests.core.support import third_party

HEAD = "from clipig_core import Entry, hookimpl\nfrom clipig_core.extension.kinds import Kind, Stands\n"
TARGET = "targets: [{constraints: [blur]}]\n"


def hook(plural: str, provided: str) -> str:
    return f"@hookimpl\ndef clipig_{plural}():\n    return {{{provided}}}\n"


def registry_of(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> Registry:
    return third_party(monkeypatch, folder, "acme_kinds", HEAD + code)


def check(text: str, registry: Registry) -> Plan:
    return checking.check(read_yaml(text, "test.yaml"), registry)


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_kinds_say_what_they_are(kind: Kind) -> None:
    assert kind.summary
    assert kind.hook == f"clipig_{kind.plural}"
    assert bool(kind.key) == (kind.stands not in (Stands.NOWHERE, Stands.FEATURE_KEY))
    assert kind.meaning or kind.stands is Stands.NOWHERE


@pytest.mark.parametrize(
    ("doc", "sentence"),
    [
        ("Blur it. Then more.", "Blur it."),
        ("Adam (Kingma et al. 2015), the\ndefault.\n\nMore.", "Adam (Kingma et al. 2015), the default."),
        ("Add e.g. noise", "Add e.g. noise"),
        ("One thing. Raises ValueError if not.", "One thing."),
        ("", ""),
    ],
)
def test_first_sentence(doc: str, sentence: str) -> None:
    assert first_sentence(doc) == sentence


# Entries


SWIRL = 'def swirl(images):\n    """Swirl it. Around."""\n    return images\n'


def test_aliases_and_summaries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = (
        "'swirl': Entry('acme_kinds:swirl', aliases=('whirl',)), 'twist': Entry('acme_kinds:swirl', summary='Twist.')"
    )
    registry = registry_of(monkeypatch, tmp_path, hook("transforms", given) + SWIRL)
    whirl = registry.find("transform", "whirl")
    assert (whirl.alias_of, whirl.summary) == ("swirl", "Swirl it.")
    assert registry.find("transform", "twist").summary == "Twist."
    assert registry.find("transform", "acme/whirl") is whirl
    assert registry.find("loss", "mae").alias_of == "l1"


def test_a_deprecated_name_works_and_is_mentioned_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = "'swirl': Entry('acme_kinds:swirl', deprecated=\"write 'twist'\")"
    registry = registry_of(monkeypatch, tmp_path, hook("transforms", given) + SWIRL)
    plan = check("targets: [{constraints: [blur], transforms: [swirl, swirl]}]", registry)
    with caplog.at_level(logging.WARNING, "clipig"):
        Run(plan)
    assert caplog.messages == ["transform 'swirl' is deprecated: write 'twist'"]


@pytest.mark.parametrize("given", ["'swirl': Entry(3)", "'swirl': 3"])
def test_wrong_entries_break_the_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str) -> None:
    registry = registry_of(monkeypatch, tmp_path, hook("transforms", given) + SWIRL)
    assert registry.plugins[-1].status == "broken"


# Defaults


def test_plugins_declare_the_defaults() -> None:
    registry = Registry()
    found = {name: registry.default(name) for name in ("optimizer", "canvas", "model", "loss")}
    assert found == {"optimizer": "adam", "canvas": "rgb", "model": "ViT-B/32", "loss": "cosine"}


def test_without_a_default_a_config_has_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPIG_DISABLE", "optimizers,losses")
    registry = Registry()
    with pytest.raises(InputError, match=r"no plugin declares a default optimizer.*'optimizers' .* is disabled.*write"):
        check(TARGET, registry)
    with pytest.raises(InputError, match="no plugin declares a default loss"):
        check("targets: [{features: [{text: cat}]}]", registry)


def test_a_default_of_others_does_not_replace_that_of_clipig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = hook("losses", "'far': Entry('acme_kinds:far', default=True)") + "def far(features, target): ...\n"
    registry = registry_of(monkeypatch, tmp_path, code)
    assert registry.default("loss") == "cosine"
    monkeypatch.setenv("CLIPIG_DISABLE", "losses")
    assert registry_of(monkeypatch, tmp_path, code).default("loss") == "far"


# Functions of expressions


FUNCTIONS = hook("functions", "'wave': 'acme_waves:wave', 'text': 'acme_waves:text', 'fails': 'acme_waves:fails'")
WAVES = (
    "def wave(x, height=1):\n    if x < 0: raise ValueError('below 0')\n    return height / x\n"
    "def text(): return 'a'\ndef fails(): raise RuntimeError('out of ink')\n"
)


@pytest.fixture
def waves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Registry:
    (tmp_path / "acme_waves.py").write_text(WAVES)
    monkeypatch.delitem(sys.modules, "acme_waves", raising=False)
    return registry_of(monkeypatch, tmp_path, FUNCTIONS)


def test_functions_can_be_called_in_expressions_and_are_imported_then(waves: Registry) -> None:
    read = checking.check(read_yaml("learnrate_scale: wave(2 + t, 3)\n" + TARGET, "test.yaml"), waves)
    assert "acme_waves" not in sys.modules
    assert read.settings["learnrate_scale"].resolve({"t": 2.0}, random.Random(0)) == 0.75
    checked = check(
        "epochs: wave(.5)\ntargets: [{constraints: [{blur: {weight: 'wave(.5)'}}], weight: 'wave(4)'}]", waves
    )
    assert checked.settings.fixed.epochs == 2
    assert check("targets: [{constraints: [{mean: {above: 'wave(2)'}}]}]", waves)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("wave(-1)", "'wave.*' has no value: wave: below 0"),
        ("wave(0)", "'wave.*' has no value: float division by zero"),
        ("wave()", "'wave.*' has no value: missing a required argument: 'x'"),
        ("wafe(1)", "unknown function 'wafe' .did you mean 'wave'"),
        ("wave", "'wave' is not a number"),
    ],
)
def test_wrong_calls_are_problems_of_the_config(waves: Registry, text: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        check(f"epochs: {text}\n{TARGET}", waves)


@pytest.mark.parametrize(("text", "found"), [("text()", "returned str, not a number"), ("fails()", "out of ink")])
def test_wrong_functions_are_problems_of_the_plugin(waves: Registry, text: str, found: str) -> None:
    from clipig_core import PluginError

    with pytest.raises(PluginError, match=f"function '{text[:-2]}' of plugin 'acme'.*{found}"):
        check(f"epochs: {text}\n{TARGET}", waves)


def test_names_of_the_language_are_taken() -> None:
    assert {"sin", "random", "pi", "epoch", "if", "ts"} <= FUNCTION.taken()


# Kinds of plugins


def kind_of(stands: str, more: str = "") -> str:
    made = f"Kind(name='paper', plural='papers', doc='`paper()`: what for.', stands=Stands.{stands}{more})"
    function = 'def plain(): ...\ndef aged():\n    """Yellow."""\n'
    return hook("kinds", f"'paper': {made}") + hook("papers", "'aged': 'acme_kinds:aged'") + function


@pytest.mark.parametrize(
    ("stands", "text", "found"),
    [
        ("RUN_CHOICE", "paper: aged", lambda c: c.choices["paper"]),
        ("RUN_LIST", "papers: [aged]", lambda c: c.lists["papers"][0]),
        (
            "TARGET_LIST",
            "targets: [{papers: [aged], features: [{text: cat}]}]",
            lambda c: c.targets[0].others["papers"][0],
        ),
        (
            "FEATURE_VALUE",
            "targets: [{features: [{text: cat, paper: aged}]}]",
            lambda c: c.targets[0].features[0].named["paper"],
        ),
    ],
)
def test_a_kind_of_a_plugin_has_its_place(  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stands: str, text: str, found
) -> None:
    registry = registry_of(monkeypatch, tmp_path, kind_of(stands))
    assert registry.kinds["paper"].hook == "clipig_papers"
    whole = text if "targets" in text else f"{text}\n{TARGET}"
    assert found(check(whole, registry)).component.describe() == "paper 'aged' of plugin 'acme' (acme 1)"
    assert "aged" in str(check(whole, registry).dump())
    with pytest.raises(InputError, match=r"unknown paper 'agde' .did you mean 'aged'"):
        check(whole.replace("aged", "agde"), registry)
    assert check(TARGET, registry)  # which does not need any
    with pytest.raises(InputError, match="unknown parameter 'paper"):
        check(whole, Registry())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("'paper': 3", "is not a Kind of that name"),
        ("'paper': Kind(name='other', plural='others', doc='')", "is not a Kind of that name"),
        ("'loss': Kind(name='loss', plural='lossy', doc='')", "the kind 'loss' is known already"),
        ("'loot': Kind(name='loot', plural='losses', doc='')", "or its plural 'losses' is"),
        ("'epoch': Kind(name='epoch', plural='epochs', doc='', stands=Stands.RUN_LIST)", "means something else there"),
        ("'paper': 'acme_not_there:PAPER'", "acme_not_there"),
    ],
)
def test_wrong_kinds_break_their_plugin_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, reason: str
) -> None:
    registry = registry_of(monkeypatch, tmp_path, hook("kinds", given))
    assert reason in registry.plugins[-1].error
    assert [*registry.kinds] == [*KINDS]
    assert check(TARGET, registry)


# Looks and commands


SECTION = (
    hook("commands", "'dance': Entry('acme_kinds:dance', section='acme_kinds:{section}')")
    + '''
import click
from typing import Annotated
from clipig_core import Param

@click.command()
def dance():
    """Dance."""

class Dance:
    """How to dance.

    With whom does not matter."""

    steps: Annotated[int, Param("How many.", min=1)] = 3
    mood: Annotated[str, Param("Which one.")] = "good"

class Clumsy:
    """How not to dance."""

    steps: Annotated[object, Param("How many.")] = 3
'''
)


def test_a_command_reads_a_section_that_is_no_part_of_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    registry = registry_of(monkeypatch, tmp_path, SECTION.replace("{section}", "Dance"))
    (tmp_path / "a.yaml").write_text(TARGET + "dance: {steps: 4}\nresolution: '{{size}}'\n")
    document = Document.read([str(tmp_path / "a.yaml")], {}, registry)
    assert document.sections.plain_value() == {"dance": {"steps": 4}}
    assert "dance" not in document.node.value
    wanted = f"{tmp_path}/a.yaml:2:1: 'dance' is read by 'clipig dance' alone (write: clipig dance {tmp_path}/a.yaml)"
    for changed in (document, document.override("epochs", read_yaml("3", "test"))):
        with pytest.raises(InputError) as caught:
            changed.filled()
        assert str(caught.value) == wanted  # and nothing of the variable that the command may fill in
    with pytest.raises(InputError, match="unknown parameter 'dance'"):
        check(TARGET + "dance: {}", Registry())

    told = {key.path: (key.doc, key.type) for key in keys(registry)}
    assert told["dance"] == ("How to dance. With whom does not matter.", "")
    assert told["dance.steps"] == ("How many.", "int, from 1, default 3")
    validator = Draft7Validator(json_schema(registry))
    for text, right in (("{steps: 4}", True), ("[{steps: 4}, {}]", True), ("{step: 4}", False), ("{steps: 0}", False)):
        assert validator.is_valid(read_yaml(f"dance: {text}", "test").plain_value()) == right


def test_a_section_that_cannot_be_had_is_told_and_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry = registry_of(monkeypatch, tmp_path, SECTION.replace("{section}", "Clumsy"))
    builder = Builder(registry)
    assert "dance" not in builder.config()["properties"]
    assert "its section cannot be read: " in builder.left_out[0]
    assert "dance" not in {key.path for key in keys(registry)}


@pytest.mark.parametrize(
    ("name", "section", "reason"),
    [
        ("dance", "acme_kinds:Dnace", "command 'dance': module 'acme_kinds' has no 'Dnace'"),
        ("epochs", "acme_kinds:Dance", "the command 'epochs' cannot have a section"),
        ("optimizer", "acme_kinds:Dance", "'optimizer' means something else in a config"),
    ],
)
def test_wrong_sections_break_their_plugin_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, section: str, reason: str
) -> None:
    code = SECTION.replace("'dance'", f"'{name}'").replace("acme_kinds:{section}", section)
    registry = registry_of(monkeypatch, tmp_path, code)
    assert reason in registry.plugins[-1].errors[0]
    assert name not in registry.sections
    assert check(TARGET, registry)


def test_targets_of_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "acme_looks").mkdir()
    (tmp_path / "acme_looks" / "__init__.py").touch()
    (tmp_path / "acme_looks" / "soft.yaml").write_text("# Soft light. Much of it.\n# Nothing else.\nepochs: 3\n")
    assert LOOK.missing("acme_looks:soft.yaml") == ""
    assert LOOK.about("acme_looks:soft.yaml") == "Soft light."
    assert LOOK.describe(LOOK.load("acme_looks:soft.yaml")) == "Soft light. Much of it.\nNothing else."
    for target, reason in (
        ("acme_looks:hard.yaml", "no file 'hard.yaml'"),
        ("acme_gone:soft.yaml", "no package 'acme_gone'"),
        ("acme_looks", "not of the form 'package:file'"),
    ):
        assert reason in LOOK.missing(target)


def test_words_are_put_into_a_look_after_it_was_read() -> None:
    node = read_yaml('targets: [{features: [{text: "a {{text}}"}, {text: "{{ other }}"}]}]', "look")
    assert {name for name, _ in gaps(node)} == {"text", "other"}
    filled = fill(node, {"text": "}]: # 'x'"})
    assert filled.plain_value() == {"targets": [{"features": [{"text": "a }]: # 'x'"}, {"text": "{{ other }}"}]}]}


def test_a_command_is_one_of_click() -> None:
    assert COMMAND.load("clipig_cli.schema:schema").name == "schema"
    with pytest.raises(TypeError, match="is not a click command"):
        COMMAND.load("clipig_core.errors:nearest")
