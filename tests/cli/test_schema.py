"""`clipig schema`: it takes every config that clipig takes, and refuses what a schema can refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from clipig_core.config import sections
from clipig_core.config.check import check, read
from clipig_core.config.document import filled_in
from clipig_core.config.json_schema import Builder, expression
from clipig_core.config.sections import OutputPath
from clipig_core.errors import InputError, Place
from clipig_core.extension.registry import Component, Registry
from clipig_core.language.expressions import FUNCTIONS, VARIABLES, Expression, ExpressionError
from clipig_core.language.nodes import Node
from clipig_core.language.params import Declaration, declarations
from clipig_core.language.types import Choice, Colors, Files, Flag, Lists, Moment, Nested, Pattern, Type
from clipig_core.language.yaml import read_yaml
from tests.cli.support import clipig, install
from tests.docs.test_docs import CONFIGS as OF_THE_DOCS

ROOT = Path(__file__).parents[2]
REGISTRY = Registry()
SCHEMA = Builder(REGISTRY).config()
VALIDATOR = Draft7Validator(SCHEMA)
EXAMPLES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "examples").glob("*.yaml"))}
BARE = "device: cpu\nresolution: 16\nepochs: 2\ntargets:\n  - constraints:\n      - blur: 3\n"


def taken_by_schema(value: Any, validator: Draft7Validator = VALIDATOR) -> bool:
    """The value as an editor sees it, which knows no tuples."""
    return bool(validator.is_valid(json.loads(json.dumps(value))))


def taken_by_clipig(node: Node, registry: Registry = REGISTRY) -> bool:
    try:
        check(filled_in(node), registry)
    except InputError:
        return False
    return True


def of_yaml(text: str) -> Node:
    return read_yaml(text, "test.yaml")


# The command


def test_it_is_a_schema_and_what_the_command_prints(tmp_path: Path) -> None:
    done = clipig(tmp_path, "schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == SCHEMA
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft7Validator.META_SCHEMA["$id"]
    assert re.findall(r'"\$ref": "#/definitions/([\w-]+)"', done.stdout)
    assert not re.search(r'"\$ref": "[^"]*[^\w#/"-]', done.stdout)  # escapes, which some editors cannot read


NOISY = """\
import sys
print("hello from acme")
from clipig_core import hookimpl
@hookimpl
def clipig_transforms(): return {"swirl": "acme_swirl:swirl", "gone": "acme_swirl:gone", "lazy": "acme_lazy:lazy"}
"""
SWIRL = '''\
from typing import Annotated
from clipig_core import Param
print("hello from swirl")
def swirl(images, turns: Annotated[float, Param("How often.", min=0, max=9)] = 1.0):
    """Turn around the centre."""
    return images
'''


def test_what_is_broken_is_left_out_and_what_plugins_print_does_not_spoil_it(tmp_path: Path) -> None:
    install(tmp_path, "acme", NOISY)
    install(tmp_path, "acme_bad", "raise RuntimeError('no licence')")
    (tmp_path / "acme_swirl.py").write_text(SWIRL)
    (tmp_path / "acme_lazy.py").write_text("import acme_missing\ndef lazy(images): ...")
    done = clipig(tmp_path, "schema", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    validator = Draft7Validator(json.loads(done.stdout))
    for use in ({"swirl": 3}, {"swirl": {"turns": "t"}}, "swirl", {"acme/swirl": None}):
        assert taken_by_schema({"postproc": [use]}, validator)
    for wrong in ({"swirl": 10}, {"swirl": {"turn": 1}}, "gone", "lazy"):
        assert not taken_by_schema({"postproc": [wrong]}, validator)
    left_out = [line for line in done.stderr.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 3
    assert "plugin 'acme' (acme 1.0): transform 'gone': module 'acme_swirl' has no 'gone'" in done.stderr
    assert "plugin 'acme_bad' (acme_bad 1.0): RuntimeError: no licence" in done.stderr
    assert "transform 'lazy' of plugin 'acme' (acme 1.0) cannot be loaded: " in done.stderr


# What is taken


@pytest.mark.parametrize("text", [*EXAMPLES.values(), *OF_THE_DOCS.values()], ids=[*EXAMPLES, *OF_THE_DOCS])
def test_examples_and_what_is_made_of_them(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for picture in re.findall(r"[\w-]+\.(?:png|jpg)", text):
        (tmp_path / picture).touch()
    node = of_yaml(text)
    assert taken_by_schema(node.plain_value())
    whole = check(filled_in(node), REGISTRY)
    assert taken_by_schema(whole.dump())


def test_the_config_beside_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BARE)
    done = clipig(tmp_path, "run", "a.yaml", "-o", "out/", "-v", "0")
    assert (done.returncode, done.stderr) == (0, "")
    assert taken_by_schema(of_yaml((tmp_path / "out" / "a.yaml").read_text()).plain_value())


FEATURE = "targets: [{features: [{text: cat}]}]\n"
TAKEN = [
    "epochs: 10 * 30",
    "epochs: 300.0",
    "resolution: 224 if t < .2 else 448",
    "learnrate: 1_000.5e-3 * (1 - t2) # slow",
    "learnrate_scale: time_step(.2, .8)",
    "snapshot_interval: 1.5",
    "model: {ensemble: {models: emoji}}",
    "model: {ensemble: {models: [emoji, photo-lite0]}}",
    "seed:",
    "chunk: AUTO",
    "compile: Yes",
    "compile: 1 > 2",
    "interpolation: CuBic",
    "device: cuda:1",
    "init:",
    "init: {image_tensor: [[[1, 0.5]]], resolution: }",
    "init: {image: 'https://example.org/a.png'}",
    "postproc:",
    "postproc: [blur, {mul: .99, add: 0.1, start: 50%, end: 1.0, active: off}]",
    "model: clipig/ViT-B/32",
    "optimizer: {sgd: .9}",
    "optimizer: {clipig/adam: {betas: .8 .99}}",
    "canvas: {pyramid: }",
    "finish:",
    "finish: [unsharp, {white_balance: .3, stretch: .6, active: off}]",
    "vars:",
    "vars: {word: cat, number: 5, yes: true, é: ü}",
    "look:",
    "look: object",
    "look: clipig/object",
    "vars: {n: 5}\nepochs: '{{n}}'",
    "vars: {n: 5}\nepochs: 'sqr{{ n }}+ 2{{n}}'".replace("sqr", "1"),
    "vars: {how: linear, where: cpu}\ninterpolation: '{{how}}'\ndevice: '{{where}}'",
    "vars: {by: sgd, what: emoji}\noptimizer: '{{by}}'\nmodel: '{{what}}'",
    "vars: {w: 64, h: 48}\nresolution: ['{{w}}', '{{h}}']",
    "vars: {w: 64}\nresolution: '{{w}} {{w}}'",
    "vars: {step: blur}\npostproc: ['{{step}}', {mul: .9}]",
    "vars: {f: sin}\nlearnrate: '{{f}}(t)'",
]
TAKEN_IN_A_TARGET = [
    "features: [{text: 5}]",
    "features: [{text: {value: cat}, loss: L2, weight: sim / 100}]",
    "features: [{clipig/text: cat, loss: clipig/l1}]",
    "features: []\n    constraints: [blur]",
    "features: [{text: cat}]\n    model: emoji",
    "features: [{text: cat}]\n    model: {photo-lite0: }\n    gradient: normalized\n    color: .5",
    "constraints: [{blur: }, {blur: {weight: 2, start: 10, end: t}}, clipig/std, {mean: {above: }}]",
    "constraints: [blur]\n    transforms: [blur, {noise: .1, random_shift: [0, 1, 0, .5]}, {clipig/pad: 3}]",
]


@pytest.mark.parametrize("text", TAKEN + TAKEN_IN_A_TARGET)
def test_forms_that_are_taken(text: str) -> None:
    whole = f"targets:\n  - {text}\n" if text in TAKEN_IN_A_TARGET else FEATURE + text
    node = of_yaml(whole)
    assert taken_by_clipig(node)
    assert taken_by_schema(node.plain_value())


def test_a_model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.PT").touch()
    for name in ("own.PT", "./own.PT/", str(tmp_path / "own.PT")):
        value = {"model": name, "targets": [{"features": [{"text": "cat"}]}]}
        assert taken_by_clipig(Node.of(value, Place("test")))
        assert taken_by_schema(value)
    assert not taken_by_schema({"model": "own.ptt"})


def test_a_file_that_is_merged_with_others_needs_no_targets() -> None:
    assert taken_by_schema({"model": "emoji", "resolution": 96})


# What is refused


REFUSED = [
    "epoch: 5",
    "epochs: -1",
    "epochs: 1.5",
    "epochs: many",
    "epochs: t * 2",
    "epochs: true",
    "epochs:",
    "epochs: [3]",
    "verbose: 3",
    "learnrate: 1e300",
    "learnrate: 1 - tt",
    "learnrate: 'a\"b\"'",
    "resolution: 0",
    "resolution: [1, 2, 3]",
    "resolution: []",
    "resolution: [64, -1]",
    "resolution: [0, 'epoch']",
    "resolution: {width: 3}",
    "snapshot_interval: no",
    "interpolation: bicubic",
    "device: gpu",
    "precision: 16",
    "chunk: most",
    "compile: 1",
    "compile: perhaps",
    "seed: -1",
    "init: 3",
    "init: {means: 3}",
    "init: {std: -1}",
    "init: {image_tensor: {a: 1}}",
    "model: ViT-B/33",
    "model:",
    "model: own.jpg",
    "optimizer: 3",
    "optimizer: adan",
    "optimizer: {adam: {}, sgd: {}}",
    "optimizer: {adam: {eps: 0}}",
    "optimizer: {adam: {betas: 1}}",
    "optimizer: {sgd: t}",
    "canvas: {rgb: 5}",
    "canvas: {pyramid: 65}",
    "targets: 3",
    "targets: [3]",
    "targets: [{name: x}]",
    "targets: [{features: [text]}]",
    "targets: [{features: [{weight: 1}]}]",
    "targets: [{features: [{text: cat, image: 'https://example.org/a.png'}]}]",
    "targets: [{features: [{text: cat, clipig/text: dog}]}]",
    "targets: [{features: [{text: }]}]",
    "targets: [{features: [{text: [a, b]}]}]",
    "targets: [{features: [{texts: cat}]}]",
    "targets: [{features: [{text: cat, loss: cosinus}]}]",
    "targets: [{features: [{text: cat, start: -1}]}]",
    "targets: [{features: [{text: cat, start: sim}]}]",
    "targets: [{features: [{text: cat}], select: most}]",
    "targets: [{features: [{text: cat}], batch_size: 0}]",
    "targets: [{features: [{text: cat}], transforms: blur}]",
    "targets: [{features: [{text: cat}], transforms: [blurr]}]",
    "targets: [{features: [{text: cat}], transforms: [noise]}]",
    "targets: [{features: [{text: cat}], transforms: [{noise: }]}]",
    "targets: [{features: [{text: cat}], transforms: [{noise: {}}]}]",
    "targets: [{features: [{text: cat}], transforms: [{}]}]",
    "targets: [{features: [{text: cat}], transforms: []}, {}]",
    "targets: [{features: [{text: cat}], transforms: [{blur: {weight: 1}}]}]",
    "targets: [{features: [{text: cat}], transforms: [{random_shift: [0, 1, 2]}]}]",
    "targets: [{features: [{text: cat}], transforms: [{random_shift: sim}]}]",
    "targets: [{features: [{text: cat}], transforms: [{rnoise: .1}]}]",
    "targets: [{features: [{text: cat}], transforms: [{random_scale: 0}]}]",
    "targets: [{features: [{text: cat}], transforms: [{other/blur: 3}]}]",
    "targets: [{constraints: [{blur: {loss: l3}}]}]",
    "targets: [{constraints: [{blur: {kernel_size: -3}}]}]",
    "targets: [{constraints: [{blur: {weights: 1}}]}]",
    "targets: [{constraints: [noise]}]",
    "postproc: [{resize: 3}]",
    "postproc: [{start: 50%}]",
    "postproc: [{start: t, blur: 3}]",
    "postproc: [{weight: 1, blur: 3}]",
    "finish: 3",
    "finish: [{resize: 3}]",
    "finish: [{active: true}]",
    "finish: [{start: 50%, unsharp: 1}]",
    "finish: [unsharpp]",
    "vars: 3",
    "vars: [a]",
    "vars: {a: [1]}",
    "vars: {a: {b: 1}}",
    "vars: {a: }",
    "targets: [{features: [{text: cat}], model: }]",
    "targets: [{features: [{text: cat}], model: [emoji]}]",
    "targets: [{features: [{text: cat}], model: {emoji: {}, photo-lite0: {}}}]",
    "targets: [{features: [{text: cat}], model: emojis}]",
    "targets: [{features: [{text: cat}], gradient: normal}]",
    "targets: [{constraints: [{blur: 5, weight: 2}]}]",
]


@pytest.mark.parametrize("text", REFUSED)
def test_mistakes_are_refused_by_clipig_and_by_the_schema(text: str) -> None:
    node = of_yaml(text if text.startswith("targets") else FEATURE + text)
    assert not taken_by_clipig(node)
    assert not taken_by_schema(node.plain_value())


def test_a_look_is_one_that_is_installed(tmp_path: Path) -> None:
    assert set(SCHEMA["properties"]["look"]["anyOf"][0]["enum"]) >= {"object", "clipig/object"}
    for value in ("objekt", 5, ["object"]):
        (tmp_path / "a.yaml").write_text(f"look: {json.dumps(value)}")
        with pytest.raises(InputError):
            read([str(tmp_path / "a.yaml")], {}, REGISTRY)
        assert not taken_by_schema({"look": value})


@pytest.mark.parametrize("look", REGISTRY.names("look"))
def test_looks_are_taken_as_they_are(look: str) -> None:
    assert taken_by_schema(of_yaml(REGISTRY.find("look", look).loaded).plain_value())


# Whatever clipig takes


@st.composite
def expressions(draw: st.DrawFn, groups: Sequence[str] = tuple(VARIABLES)) -> str:
    """Texts that mostly are expressions."""
    names = sorted({name for group in groups for name in VARIABLES[group]} - {"time_step", "ts", "res", "resolution"})
    atoms = st.sampled_from([*names, "pi", "e", "2", ".5", "1e-3", "0x1F", "1_0", "random()", "uniform(0, 1)"])
    forms = [
        *("{} + {}", "({})*{}", "{}/2 - {}", "min({}, {})", "{} if {}>.5else 2", "not {} or {}", "[{}, {}][0]"),
        *("-{}", "{} # so far", " sqrt(abs({})) ", "1if {} else{}", "{{1: {}}}[1]", "{}<={}"),
    ]
    text = draw(atoms)
    for _ in range(draw(st.integers(0, 2))):
        form = draw(st.sampled_from(forms))
        text = form.format(*[text, draw(atoms)][: form.count("{}") or 1])
    return text


def in_any_case(word: str) -> st.SearchStrategy[str]:
    return st.sampled_from([word, word.upper(), word.title(), word.lower()])


@st.composite
def values(draw: st.DrawFn, param: Declaration) -> Any:
    """What may be written for a parameter, right or wrong."""
    bounds = [bound for bound in (param.param.min, param.param.max, param.param.above) if bound is not None]
    numbers = st.one_of(st.sampled_from([0, 1, 3, 7.0, 0.5, -1, *bounds]), st.integers(1, 99), st.floats(-1, 1))
    known: dict[type[Type], st.SearchStrategy[Any]] = {
        Flag: st.booleans() | st.just("1"),
        Type: st.text(max_size=5) | numbers,
        Choice: st.nothing(),
        Pattern: st.sampled_from(["cpu", "cuda:3", "CPU"]),
        OutputPath: st.sampled_from(["a/", "a.png", "a.jpg", 1]),
        Files: st.just("https://example.org/a.png"),
        Lists: st.recursive(numbers, lambda inner: st.lists(inner, max_size=3)),
        Nested: st.sampled_from(["emoji", "edge", {"blur": 3}, {"blur": {"sigma": "t"}}, ["emoji", {"photo": None}]]),
        Moment: numbers | st.sampled_from(["50%", " 12.5 % "]),
        Colors: numbers | st.sampled_from(["red", "#f80", "#FF8800", "reddish"]),
    }
    elements = known.get(type(param.type), numbers)
    if param.type.words:
        elements |= st.sampled_from(param.type.words).flatmap(in_any_case)
    if param.type.numeric:
        elements |= expressions(param.variables)
    if param.lengths:
        sizes = st.sampled_from([(1, 4), *((length, length) for length in param.lengths)])
        lists = sizes.flatmap(lambda size: st.lists(elements, min_size=size[0], max_size=size[1]))
        joined = st.tuples(st.sampled_from([" ", ", "]), lists).map(lambda found: found[0].join(map(str, found[1])))
        elements |= lists | joined
    junk: st.SearchStrategy[Any] = st.sampled_from([None, True, "", "x", [], {}, [None], -(10**40), "é"])
    return draw(st.one_of(elements, elements, elements, elements, st.none() if param.optional else elements, junk))


def mappings(params: Mapping[str, Declaration]) -> st.SearchStrategy[dict[str, Any]]:
    required = {name: values(param) for name, param in params.items() if param.required}
    optional = {name: values(param) for name, param in params.items() if not param.required}
    return st.fixed_dictionaries(required, optional=optional)


def behind_the_name(component: Component) -> st.SearchStrategy[Any]:
    params = component.params
    own = declarations(sections.Constraint) if component.kind == "constraint" else {}
    forms = [mappings({**params, **own}), st.none()]
    if params:
        forms.append(values(next(iter(params.values()))))
    return st.one_of(forms)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config with one thing of interest in it, so that it is often right."""
    kinds = ["settings", "init", "target", "feature", "stage", "transform", "postproc", "constraint", "choice"]
    kinds += ["finish", "finishing", "model", "vars", "variable"]
    feature: dict[str, Any] = {"text": "cat"}
    target: dict[str, Any] = {"features": [feature]}
    whole: dict[str, Any] = {"targets": [target]}
    match draw(st.sampled_from(kinds)):
        case "settings":
            name = draw(st.sampled_from([*declarations(sections.Settings)]))
            whole[name] = draw(values(declarations(sections.Settings)[name]))
        case "init":
            whole["init"] = draw(st.none() | mappings(declarations(sections.Init)))
        case "target":
            target |= draw(mappings(declarations(sections.Target)))
        case "feature":
            feature |= draw(mappings(declarations(sections.Feature)))
            feature["loss"] = draw(st.sampled_from(REGISTRY.names("loss")).flatmap(in_any_case))
            component = draw(components("feature"))
            del feature["text"]
            feature[draw(spelled(component))] = draw(behind_the_name(component))
        case "stage":
            whole["postproc"] = [{"mul": 0.9, **draw(mappings(declarations(sections.Stage)))}]
        case "finishing":
            whole["finish"] = [{"mul": 0.9, **draw(mappings(declarations(sections.Finish)))}]
        case "vars":
            single = st.none() | st.booleans() | st.integers() | st.floats(-1, 1) | st.text(max_size=5)
            whole["vars"] = draw(st.none() | st.dictionaries(st.text(max_size=3), single, max_size=3))
        case "variable":
            name = draw(st.sampled_from([*declarations(sections.Settings), *sections.CHOICES]))
            whole["vars"] = {
                "x": draw(st.sampled_from([1, 0.5, True, "linear", "auto", "adam", "rgb", "emoji", "50%"]))
            }
            whole[name] = draw(st.sampled_from(["{{x}}", "{{ x }}", "1{{x}}", "({{x}})", ["{{x}}", 5]]))
        case "model":
            component = draw(components("model"))
            name = draw(spelled(component))
            target["model"] = draw(st.just(name) | behind_the_name(component).map(lambda value: {name: value}))
        case "choice":
            kind = draw(st.sampled_from([*sections.CHOICES]))
            component = draw(components(kind))
            name = draw(spelled(component))
            whole[kind] = draw(st.just(name) | behind_the_name(component).map(lambda value: {name: value}))
        case kind:
            component = draw(components("constraint" if kind == "constraint" else "transform"))
            name = draw(spelled(component))
            use = draw(st.just(name) | behind_the_name(component).map(lambda value: {name: value}))
            of_the_run = kind in ("postproc", "finish")
            (whole if of_the_run else target)[kind if of_the_run else f"{kind}s"] = [use]
    return whole


def components(kind: str) -> st.SearchStrategy[Component]:
    return st.sampled_from([c for plugin in REGISTRY.plugins for c in plugin.components if c.kind == kind])


def spelled(component: Component) -> st.SearchStrategy[str]:
    return st.sampled_from([component.name, f"{component.plugin.distribution}/{component.name}"])


@settings(max_examples=300, deadline=None)
@given(configs())
def test_whatever_clipig_takes_the_schema_takes(value: dict[str, Any]) -> None:
    assume(taken_by_clipig(Node.of(value, Place("test"))))
    assert taken_by_schema(value)


ALL = frozenset(name for names in VARIABLES.values() for name in names)
SIGNS = [*"+-*/%<>=()[]{},:.#\\_ 0", "if", "else", "not", "True", "\uff54", "\u017f", "\n"]


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from([*SIGNS, *FUNCTIONS, *ALL]) | expressions(), min_size=1, max_size=3).map("".join))
@example("1if t<.2else 2")
@example("si\uff4d")  # NFKC makes it `sim`
@example("t#\n")
def test_every_expression_is_taken(text: str) -> None:
    try:
        Expression(text, ALL)
    except ExpressionError:
        return
    assert re.search(expression([*VARIABLES], [])["pattern"], text)
