from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from clipig_core.config.check import check, read
from clipig_core.config.document import Document
from clipig_core.config.plan import Plan
from clipig_core.config.timeline import closed
from clipig_core.errors import InputError, Place, Problem
from clipig_core.extension.registry import Registry
from clipig_core.language.nodes import Node
from clipig_core.language.yaml import read_yaml
from clipig_core.runner.provenance import as_yaml

from .support import REGISTRY, config_of, image_file, problems_of, third_party

TARGET = "targets: [{constraints: [blur]}]\n"


def messages(text: str) -> list[str]:
    """Every problem of a config, without importing components and then with it."""

    def load() -> None:
        config_of(text)

    return [str(problem) for problem in problems_of(load)]


def constants(config: Plan, *names: str) -> list[Any]:
    return [config.settings[name].fixed for name in names]


def files(folder: Path, *texts: str) -> list[str]:
    paths = [folder / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return [str(path) for path in paths]


def test_defaults_are_those_of_the_reference() -> None:
    config = config_of(TARGET)
    assert constants(config, "verbose", "output", "epochs", "start_epoch") == [2, "./", 300, 0]
    assert constants(config, "snapshot_interval", "resolution", "interpolation") == [20.0, (224, 224), "cubic"]
    assert constants(config, "device", "learnrate", "learnrate_scale") == ["auto", 1.0, 1.0]
    assert {kind: use.name for kind, use in config.choices.items()} == {
        "model": "ViT-B/32",
        "optimizer": "adam",
        "canvas": "rgb",
    }
    target = config_of("targets: [{features: [{text: owl}]}]").dump()["targets"][0]
    assert target == {
        "active": True,
        "name": "target",
        "start": 0.0,
        "end": 1.0,
        "weight": 1.0,
        "batch_size": 1,
        "select": "all",
        "feature_scale": "equal",
        "gradient": "plain",
        "color": 1.0,
        "transforms": [],
        "constraints": [],
        "features": target["features"],
    }


def test_later_configs_win_and_lists_are_appended(tmp_path: Path) -> None:
    paths = files(
        tmp_path,
        "epochs: 5\nresolution: [64, 64]\ninit: {mean: .1, std: .2}\ntargets: [{name: a, constraints: [blur]}]",
        "epochs: 7\nresolution: [32, 16]\ninit: {mean: 1}\ntargets: [{name: b, constraints: [blur]}]\npostproc: [blur]",
        "postproc: [{mul: 2}]",
    )
    config = read(paths, {}, REGISTRY)
    assert constants(config, "epochs", "resolution") == [7, (32, 16)]
    assert config.init["mean"].source == 1
    assert config.init["std"].source == 0.2  # sections are merged key by key
    assert [target.section["name"].source for target in config.targets] == ["a", "b"]
    assert [stage.transforms[0].name for stage in config.postproc] == ["blur", "mul"]


def test_options_win_over_all_files(tmp_path: Path) -> None:
    paths = files(tmp_path, TARGET + "epochs: 5\nmodel: ViT-B/16", "epochs: 6")
    config = read(paths, {"epochs": "2 * 5", "model": "RN50", "resolution": "64 48"}, REGISTRY)
    assert constants(config, "epochs", "resolution") == [10, (64, 48)]
    assert config.choices["model"].name == "RN50"


def test_a_mistake_in_an_option_names_the_option(tmp_path: Path) -> None:
    options = {"snapshot_interval": -1, "optimizer": "adma"}
    found = [str(problem) for problem in problems_of(lambda: read(files(tmp_path, TARGET), options, REGISTRY))]
    assert found[0].startswith("--optimizer: unknown optimizer 'adma' (did you mean 'adam'")
    assert found[1].startswith("--snapshot-interval: snapshot_interval: -1 is below")


def test_problems_of_several_files_come_together(tmp_path: Path) -> None:
    paths = files(tmp_path, "a: [", "- 1", TARGET, "a: 1\na: 2")
    found = problems_of(lambda: read([*paths, str(tmp_path / "gone.yaml")], {}, REGISTRY))
    assert [problem.place.source for problem in found if problem.place] == [
        paths[0],
        paths[3],
        str(tmp_path / "gone.yaml"),
    ]
    (problem,) = problems_of(lambda: read(paths[1:3], {}, REGISTRY))
    assert str(problem) == f"{paths[1]}:1:1: the config is a list (expected 'targets:' and other parameters)"


WRONG = """\
epoch: 5
resolution: 10 20 30
learnrate: 1 - sim
device: gpu
optimizer: {adam: {betas: 2}}
init: {men: .5}
targets:
  - nam: a
    weight: t +
    features:
      - text: owl
        image: a.png
      - weight: 2
      - text: owl
        loss: cosin
        scale: foo * 2
    transforms:
      - blurr: 5
    constraints:
      - blur: {weight: x}
      - 5
  - name: empty
  - 7
postproc:
  - {start: -1, mul: 2}
  - 5
"""


def test_all_problems_come_in_one_go_with_their_places() -> None:
    found = messages(WRONG)
    wanted = [
        ("1:1", "unknown parameter 'epoch'", "did you mean 'epochs'"),
        ("2:13", "3 values given", ""),
        ("3:16", "unknown variable 'sim'", ""),
        ("4:9", "device: 'gpu' is unknown", "cuda"),
        ("6:8", "unknown parameter 'men'", "did you mean 'mean'"),
        ("8:5", "unknown parameter 'nam'", "did you mean 'name'"),
        ("9:13", "not an expression", ""),
        ("11:9", "not text and image", ""),
        ("13:9", "no source", "text"),
        ("15:15", "unknown loss 'cosin'", "did you mean 'cosine'"),
        ("16:16", "unknown variable 'foo'", ""),
        ("18:9", "unknown transform 'blurr'", "did you mean 'blur'"),
        ("20:24", "unknown variable 'x'", ""),
        ("21:9", "a constraint is a number", ""),
        ("22:5", "needs features or constraints", ""),
        ("23:5", "a target is a number", ""),
        ("25:13", "below the minimum", ""),
        ("26:5", "a stage is a number", ""),
    ]
    assert [message.split(": ")[0] for message in found] == [f"test.yaml:{place}" for place, _, _ in wanted]
    for message, (_, text, hint) in zip(found, wanted, strict=True):
        assert text in message
        assert hint in message


def test_parameters_of_components_are_checked_together() -> None:
    found = messages("""\
optimizer: {adam: {betas: 2, beta: 1}}
canvas: {rgb: 5}
targets:
  - features: [{text: [a]}, {text: }]
    transforms:
      - blur: {kernel: 3}
      - noise:
      - blur: [1, 2, 3]
      - mul: lr * sim
    constraints:
      - blur: {kernel_size: -1, loss: l3, weight: 2}
      - blur: {sigma: sim}
""")
    places = [message.split(": ")[0].removeprefix("test.yaml:") for message in found]
    assert places == ["1:27", "1:30", "2:15", "4:23", "4:30", "6:16", "7:9", "8:15", "9:19", "11:29", "11:39"]
    assert "unknown parameter 'kernel'; " in found[5] or "did you mean 'kernel_size'" in found[5]
    assert "'std' is missing" in found[6]
    assert "takes no parameters" in found[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the config is empty"),
        ("5", "the config is a number"),
        ("targets: {features: [{text: a}]}", "'targets' is a mapping (expected a list"),
        ("targets: [{name: a}]", "test.yaml:1:11: a target needs features or constraints"),
        ("targets: [{features: [], constraints: []}]", "needs features or constraints"),
        ("targets: [{features: {text: a}}]", "'features' is a mapping (expected a list"),
        ("targets: [{features: [owl]}]", "a feature is a text"),
        ("targets: [{features: [{text: a, image: b}]}]", "not text and image"),
        (TARGET + "postproc: [{start: 1}]", "has no name"),
        (TARGET + "device: 0", "device: '0' is unknown (expected auto, cpu, cuda, cuda:1 or mps"),
        (TARGET + "epochs: 0", "below the minimum of 1"),
        (TARGET + "resolution: 99999", "above the maximum of 16384"),
        (TARGET + "interpolation: cubik", "did you mean 'cubic'"),
        ("targets: [{features: [{txt: cat, weight: 2}]}]", "unknown feature 'txt' (did you mean 'text'?)"),
        ("targets: [{features: [{weight: 2}]}]", "a feature has no source (expected one of: image, text)"),
        (TARGET + "optimizer: [adam]", "expected a name, or one name with parameters"),
        (TARGET + "model: {emoji: {size: 5}}", "unknown parameter 'size'"),
        (TARGET + "start_epoch: -1", "below the minimum of 0"),
        (TARGET + "init: {image: nowhere.png}", "there is no file 'nowhere.png'"),
        (TARGET + "init: {std: -1}", "below the minimum of 0"),
        (TARGET + "finish: [{start: 1, blur: 3}]", "unknown transform 'start'"),
        ("targets: [{constraints: [blur], model: }]", "'model' is nothing (expected a name"),
    ],
)
def test_one_problem(text: str, message: str) -> None:
    (found,) = messages(text)
    assert message in found


@pytest.mark.parametrize("name", ["center_crop", "random_crop", "resize"])
def test_postproc_refuses_what_changes_the_resolution(name: str) -> None:
    (found,) = messages(TARGET + f"postproc:\n  - {name}: 5\n  - blur: 3\n")
    assert found.startswith(f"test.yaml:3:{7 + len(name)}: '{name}' changes the resolution")
    config_of(TARGET.replace("constraints", "transforms: [{resize: 5}], constraints"))


def test_the_result_keeps_its_resolution_too() -> None:
    (found,) = messages(TARGET + "finish: [{resize: 5}]")
    assert "'resize' changes the resolution and cannot be used in finish" in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "targets: [{constraints: [{blur: 5, weight: 2}]}]",
            "test.yaml:1:36: 'weight' belongs inside: blur: {kernel_size: 5, weight: 2}",
        ),
        ("targets: [{constraints: [{blur: , start: 50%}]}]", "'start' belongs inside: blur: {start: 50%}"),
        (
            "targets: [{constraints: [{end: t * 2, blur: {sigma: .5}}]}]",
            "'end' belongs inside: blur: {sigma: 0.5, end: t * 2}",
        ),
        (
            "targets: [{constraints: [{blur: [3, 5], std: 1, weight: 2}]}]",
            "'weight' belongs inside: blur: {kernel_size: [3, 5], weight: 2}",
        ),
        (
            "targets: [{constraints: [blur], transforms: [{blur: 5, sigma: 'a: b'}]}]",
            "'sigma' belongs inside: blur: {kernel_size: 5, sigma: \"a: b\"}",
        ),
        (TARGET + "postproc: [{blur: 5, sigma: 2}]", "'sigma' belongs inside: blur: {kernel_size: 5, sigma: 2}"),
        (f"targets: [{{constraints: [{{blur: '{'1+' * 99}1', weight: 2}}]}}]", "inside: blur: {..., weight: ...}"),
        ("targets: [{constraints: [{blur: 5, wait: 2}]}]", "unknown constraint 'wait'"),
        ("targets: [{constraints: [{weight: 2}]}]", "unknown constraint 'weight'"),
    ],
)
def test_a_parameter_beside_its_component_is_told_where_it_belongs(text: str, message: str) -> None:
    (found,) = messages(text)
    assert message in found


def test_of_many_problems_some_are_listed() -> None:
    lines = str(InputError([Problem(f"problem {number}") for number in range(23)])).splitlines()
    assert lines == [*(f"problem {number}" for number in range(20)), "and 3 more"]
    assert len(str(InputError([Problem("one")] * 20)).splitlines()) == 20


# A plan


def test_a_plan_has_a_seed_and_another_one_only_as_another_plan() -> None:
    plan = config_of(TARGET)
    assert plan.settings.given("seed") is False
    assert plan.seed != config_of(TARGET).seed
    other = plan.with_seed(3)
    assert (other.seed, other.settings.fixed.seed, other.dump()["seed"]) == (3, 3, 3)
    assert plan.seed != 3
    assert plan.with_seed().seed != plan.seed
    assert {**other.dump(), "seed": 0} == {**plan.dump(), "seed": 0}
    with pytest.raises(AttributeError):
        plan.settings = other.settings  # type: ignore[misc]


def test_a_section_has_its_values_as_attributes() -> None:
    target = config_of("targets: [{constraints: [blur], batch_size: 2 * 4, weight: 1 - t}]").targets[0]
    assert (target.section.fixed.batch_size, target.section.fixed.select) == (8, "all")
    with pytest.raises(InputError, match="t"):
        assert target.section.fixed.weight  # which no epoch is given for


def test_a_window_that_never_opens_is_told_of_unless_it_is_switched_off() -> None:
    text = """\
epochs: 6
targets:
- constraints: [blur, mean: {above: .5, start: 80%, end: 20%}, border: {start: epoch + 99}]
- {name: late, start: 500, constraints: [blur]}
- {name: off, start: 500, active: no, constraints: [blur]}
- {name: last, start: 5, end: 5, constraints: [blur]}
postproc:
- {blur: 3, start: 6}
"""
    assert [*map(str, closed(config_of(text)))] == [
        f"test.yaml:{place}) never takes part (its window opens in none of the 6 epochs)"
        for place in ("3:48: targets.0.constraints.1 (mean", "4:23: targets.1 (late", "8:20: postproc.0 (blur")
    ]


# Looks, variables and single changes


def read_text(folder: Path, *texts: str, changes: Sequence[tuple[str, str]] = (), **options: Any) -> Plan:
    return read(files(folder, *texts), options, REGISTRY, changes)


def test_variables_take_the_place_of_their_names(tmp_path: Path) -> None:
    text = "vars: {word: cat, n: 3}\nepochs: '{{n}} * {{ n }}'\ntargets: [{features: [{text: 'a {{word}}: {{n}}'}]}]"
    config = read_text(tmp_path, text)
    assert config.settings.fixed.epochs == 9
    assert config.dump()["targets"][0]["features"][0]["text"] == "a cat: 3"
    config = read_text(tmp_path, text, "vars: {word: dog}")  # key by key
    assert config.dump()["targets"][0]["features"][0]["text"] == "a dog: 3"
    config = read_text(tmp_path, text, vars={"word": "{{n}}"})  # values are not looked into
    assert config.targets[0].features[0].source.values["value"].fixed == "a {{n}}: 3"


@given(st.text("{}{}y 1"))
def test_a_text_with_braces_of_its_own_is_the_same_when_a_picture_is_run_again(name: str) -> None:
    options = {"vars": {"name": name}, "targets": [{"name": "{{name}}", "constraints": ["blur"]}]}
    plan = read([], options, REGISTRY)
    again = read([read_yaml(as_yaml(plan), "picture.yaml")], {}, REGISTRY)
    assert [one.targets[0].section.fixed.name for one in (plan, again)] == [name, name]
    assert again.dump() == plan.dump()


@pytest.mark.parametrize("word", ["a: b", "[x", "- y\n- z", "}}", "'\""])
def test_no_value_of_a_variable_changes_the_structure(word: str, tmp_path: Path) -> None:
    config = read_text(tmp_path, "targets: [{features: [{text: '{{word}}'}]}]", vars={"word": word})
    assert config.dump()["targets"][0]["features"][0]["text"] == word


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        (
            "{{word}}",
            {"word": "fox\udcff"},
            "--vars: the variable 'word' is not a text in UTF-8",
        ),  # a byte of no letter
        ("{{color}}", {"color": "red", "colour": "blue"}, "has '{{colour}}' (did you mean 'color'?)"),
        ("fox", {"text": "dog"}, "--var text: no text of the config has '{{text}}' (it has no variables)"),
    ],
)
def test_variables_that_options_cannot_have(text: str, given: dict[str, str], message: str, tmp_path: Path) -> None:
    (problem,) = problems_of(lambda: read_text(tmp_path, f"targets: [{{features: [{{text: '{text}'}}]}}]", vars=given))
    assert message in str(problem)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "targets: [{features: [{text: '{{a}} {{b}}'}]}]",
            ["1:30: the variable 'a' has no value (write 'vars: {a: ...}'", "1:30: the variable 'b' has no value"],
        ),
        ("vars: {a: [1]}\n" + TARGET, ["1:11: the variable 'a' is a list (expected one value)"]),
        (
            "vars: {a: {b: 1}, c: }\n" + TARGET,
            ["1:11: the variable 'a' is a mapping", "1:19: the variable 'c' is nothing"],
        ),
        ("vars: 5\n" + TARGET, ["1:7: 'vars' is a number (expected names and their values)"]),
    ],
)
def test_variables_that_cannot_be_filled_in(text: str, wanted: list[str], tmp_path: Path) -> None:
    found = [str(problem) for problem in problems_of(lambda: read_text(tmp_path, text))]
    assert len(found) == len(wanted)
    for message, part in zip(found, wanted, strict=True):
        assert message.startswith(f"{tmp_path / '0.yaml'}:{part}")


def test_changes_reach_any_parameter(tmp_path: Path) -> None:
    text = "targets:\n- {name: a, constraints: [{blur: 5}, std]}\n- {name: b, constraints: [blur]}\noptimizer: adam"
    changes = [
        *(("epochs", "7"), ("epochs", "2 * 4"), ("targets.1.weight", ".5"), ("targets.0.constraints.0.blur", "7")),
        *(("init.mean", "[.1, .2, .3]"), ("optimizer", "{sgd: .9}"), ("targets.1.constraints", "[std, std]")),
    ]
    config = read_text(tmp_path, text, changes=changes, epochs=5)
    dump = config.dump()
    assert (config.settings.fixed.epochs, dump["init"]["mean"]) == (8, [0.1, 0.2, 0.3])
    assert dump["optimizer"]["sgd"]["momentum"] == 0.9
    assert [target["weight"] for target in dump["targets"]] == [1.0, 0.5]
    assert dump["targets"][0]["constraints"][0]["blur"]["kernel_size"] == 7
    assert [[*one] for one in dump["targets"][1]["constraints"]] == [["std"], ["std"]]


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        (
            "targets.1.weight",
            "2",
            "--set targets.1.weight:1:1: there is no element '1' (the elements are numbered 0 to 0)",
        ),
        ("targets.-1.weight", "2", "there is no element '-1'"),
        ("targets.x", "2", "there is no element 'x'"),
        ("postproc.0.blur", "2", "there is no element '0' (the list is empty)"),
        ("epochs.x", "2", "'x' is looked for in a number (a path names parameters)"),
        ("targets.0.name.x.y", "2", "'x' is looked for in a text"),
        ("targets.0.weigth", "2", "--set targets.0.weigth:1:1: unknown parameter 'weigth' (did you mean 'weight'?)"),
        ("epochs", "-2", "--set epochs:1:1: epochs: -2 is below"),
        ("epochs", "[", "--set epochs:1:2: not valid YAML"),
    ],
)
def test_changes_that_lead_nowhere(path: str, value: str, wanted: str, tmp_path: Path) -> None:
    text = "epochs: 5\npostproc: []\ntargets: [{name: a, constraints: [blur]}]"
    (problem,) = problems_of(lambda: read_text(tmp_path, text, changes=[(path, value)]))
    assert wanted in str(problem)


def test_a_document_can_be_changed_many_times_before_its_variables_are_filled_in() -> None:
    text = "{vars: {size: red}, targets: [{features: [{text: 'a {{colour}} {{ animal }} in {{size}}'}]}]}"
    document = Document.read([read_yaml(text, "demo.yaml")], {}, REGISTRY)
    assert document.variables == {"colour", "animal", "size"}
    place = Place("words.txt", 7, 1)
    for animal in ("fox", "owl"):
        one = document.override("vars.colour", Node("red", place)).override("vars.animal", Node(animal, place))
        (target,) = check(one.filled(), REGISTRY).targets
        assert target.features[0].source.node.value == f"a red {animal} in red"
    (problem,) = problems_of(lambda: document.override("targets.3.weight", Node(1, place)))
    assert problem.place == place


def test_a_look_is_where_a_config_begins(tmp_path: Path) -> None:
    look = read_text(tmp_path, "vars: {text: fox}", look="object", seed=1)
    config = read_text(
        tmp_path, "epochs: 3\ntargets: [{name: mine, constraints: [blur]}]", look="object", vars={"text": "fox"}, seed=1
    )
    count = len(look.targets)
    assert [target.section["name"].source for target in config.targets[count:]] == ["mine"]
    assert config.dump()["targets"][:count] == look.dump()["targets"]
    assert config.settings.fixed.epochs == 3
    assert config.dump()["finish"] == look.dump()["finish"]
    assert "fox" in json.dumps(look.dump())
    named = read_text(tmp_path, "look: clipig/object\nvars: {text: fox}\nseed: 1")
    assert named.dump() == look.dump()
    assert read_text(tmp_path, f"look:\n{TARGET}", seed=1).dump() == read_text(tmp_path, TARGET, seed=1).dump()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("look: objekt", "1:7: unknown look 'objekt' (did you mean 'object'?)"),
        ("look: 5", "1:7: 'look' is a number; a name is expected"),
        ("look: object", "look object:"),  # whose variable has no value
    ],
)
def test_looks_that_cannot_be_had(text: str, message: str, tmp_path: Path) -> None:
    assert message in str(problems_of(lambda: read_text(tmp_path, text))[0])


FULL = """\
resolution: 64 if t < .5 else 128
epochs: 10 * 30
learnrate: [3]
optimizer: {adam: {betas: .9 .99}}
canvas: {pyramid: 5}
init: {image: IMAGE, mean: .1 .2 .3}
targets:
  - name: 'yes'
    start: 5
    end: 12.5%
    weight: 1 - t
    select: Best
    features:
      - text: "an owl: # grey"
        weight: "-1"
      - {text: 5, loss: cosine, start: 10%}
    transforms:
      - random_shift: -.1 .1
      - blur: {kernel_size: [3, epoch], sigma: null}
      - blur
    constraints:
      - blur: {kernel_size: 5, weight: sim / 100, start: 0, end: 1.0}
postproc:
  - {start: .5, active: true, mul: 1 .9 t, blur: 3}
  - blur
"""


def dumped(config: Plan) -> str:
    text = io.StringIO()
    YAML(typ="rt").dump(config.dump(), text)
    return text.getvalue()


@pytest.mark.parametrize("text", [FULL, TARGET])
def test_the_dump_can_be_read_again_and_is_then_the_same(text: str, tmp_path: Path) -> None:
    text = text.replace("IMAGE", str(image_file(tmp_path / "a.png", 4, 4))).replace("learnrate: [3]", "learnrate: 3")
    config = config_of(text)
    first = dumped(config)
    again = check(read_yaml(first, "again.yaml"), REGISTRY)
    assert dumped(again) == first
    assert json.dumps(again.dump()) == json.dumps(config.dump())


def test_the_dump_keeps_expressions_and_holds_all_defaults(tmp_path: Path) -> None:
    text = FULL.replace("IMAGE", str(image_file(tmp_path / "a.png", 4, 4))).replace("learnrate: [3]", "learnrate: 3")
    config = config_of(text)
    dump = config.dump()
    assert dump["resolution"] == "64 if t < .5 else 128"
    assert dump["learnrate_scale"] == 1.0
    assert dump["canvas"] == {"pyramid": {"planes": 5}}
    assert dump["init"] == {"mean": ".1 .2 .3", "image": str(tmp_path / "a.png")}
    target = dump["targets"][0]
    assert (target["start"], target["end"], target["batch_size"]) == (5, "12.5%", 1)
    assert target["transforms"][1:] == [
        {"blur": {"kernel_size": [3, "epoch"], "sigma": None}},
        {"blur": {"kernel_size": [3, 3], "sigma": None}},
    ]
    assert target["constraints"] == [
        {"blur": {"kernel_size": 5, "sigma": None, "loss": "l2", "weight": "sim / 100", "start": 0, "end": 1.0}}
    ]
    assert dump["postproc"][0] == {
        "active": True,
        "start": 0.5,
        "end": 1.0,
        "mul": {"color": "1 .9 t"},
        "blur": {"kernel_size": 3, "sigma": None},
    }


def test_the_dump_of_an_image_keeps_it_as_it_is(tmp_path: Path) -> None:
    config = config_of(TARGET + f"init: {{image: {image_file(tmp_path / 'a.png', 4, 4)}}}")
    assert config.dump()["init"] == {"image": str(tmp_path / "a.png")}


IMPORTS = "from clipig_core import hookimpl, Param\n"


def test_a_feature_source_cannot_take_the_name_of_a_parameter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = (
        "@hookimpl\ndef clipig_features():\n    return {'weight': 'acme_features:own'}\ndef own(value, encoder): ...\n"
    )
    registry = third_party(monkeypatch, tmp_path, "acme_features", IMPORTS + code)
    config = check(read_yaml("targets: [{features: [{text: a, weight: 2}]}]", "a.yaml"), registry)
    assert config.targets[0].features[0].source.name == "text"


def test_a_feature_source_may_have_more_parameters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = """
from typing import Annotated
@hookimpl
def clipig_features():
    return {'palette': 'acme_features:palette'}
def palette(value: Annotated[str, Param('Name.')], strength: Annotated[float, Param('How much.')] = 1.0, encoder=None):
    ...
"""
    registry = third_party(monkeypatch, tmp_path, "acme_features", IMPORTS + code)
    config = check(read_yaml("targets: [{features: [{palette: {value: sea, strength: 3}}]}]", "a.yaml"), registry)
    assert config.dump()["targets"][0]["features"][0]["palette"] == {"value": "sea", "strength": 3}


def test_a_config_needs_no_plugin_that_it_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPIG_DISABLE", "color,noise,geometry,features,losses,photo,looks")
    text = "model: emoji\n" + TARGET
    check(read_yaml(text, "a.yaml"), Registry())
    (problem,) = problems_of(lambda: check(read_yaml(text + "postproc: [{mul: 2}]", "a.yaml"), Registry()))
    assert str(problem.place) == "a.yaml:3:13"
    assert "plugin 'color' (clipig " in problem.message


def test_a_run_without_epochs_is_refused() -> None:
    (problem,) = problems_of(lambda: config_of("epochs: 5\nstart_epoch: 5\ntargets: [{constraints: [blur]}]"))
    assert str(problem) == "test.yaml:2:14: no epoch is left to run (start_epoch must be below epochs)"


@pytest.mark.parametrize(("word", "meant"), [("yes", True), ("No", False), ("on", True), ("off", False)])
def test_words_of_older_yaml_are_understood(word: str, meant: bool) -> None:
    (target,) = config_of(f"targets: [{{active: {word}, constraints: [blur]}}]").targets
    assert target.section["active"].resolve({}, random.Random()) is meant


def test_features_are_called_by_the_name_of_their_source() -> None:
    document = read_yaml("targets:\n- features:\n  - {image: no-such.png}\n  - {text: {}}", "a.yaml")
    with pytest.raises(InputError) as caught:
        check(document, REGISTRY)
    assert "a.yaml:3:13: image: there is no file 'no-such.png'" in str(caught.value)
    assert "'text' is missing" in str(caught.value)


@pytest.mark.parametrize("text", ["epochs: 5", "targets:", "targets: []"])
def test_a_config_without_targets_initialises_and_post_processes(text: str) -> None:
    assert config_of(text).targets == []


@pytest.mark.parametrize("output", ["/elsewhere/", "/elsewhere/a.png", "../a.png", "here/../../", "~/a.png", "link/"])
def test_a_config_writes_below_the_current_directory_only(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "here")
    text = f"output: {output}\ntargets: [{{constraints: [blur]}}]"
    (problem,) = problems_of(lambda: config_of(text))
    advice = f"to write there, use '-o {output}'"
    assert problem.message == f"output: '{output}' is outside of the current directory; {advice}"
    document = read_yaml("targets: [{constraints: [blur]}]", "a.yaml")
    assert read([document], {"output": output}, REGISTRY).settings.fixed.output == output
    assert read([document], {}, REGISTRY, [("output", output)]).settings.fixed.output == output
    for inside in ("sub/", "sub/../a.png", f"{tmp_path}/here/a.png"):
        assert config_of(f"output: {inside}\ntargets: [{{constraints: [blur]}}]").settings.fixed.output == inside
