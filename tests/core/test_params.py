from __future__ import annotations

import inspect
import logging
import math
import random
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from clipig_core import Color, File, Floats2, Floats3, Floats4, Ints2, Param, PluginError, Type
from clipig_core.errors import InputError, Place
from clipig_core.language.nodes import Node
from clipig_core.language.params import Declaration, Value, declarations
from clipig_core.language.schedule import FrameTime
from clipig_core.language.yaml import read_yaml

GROUPS = ("time", "resolution")
VARIABLES = {"t": 0.25, "time": 0.25, "epoch": 3.0, "width": 30.0, "height": 20.0, "res": [30.0, 20.0]}


def component(
    images: object,
    ratio: Annotated[float, Param("A ratio.", min=0, max=1)],
    count: Annotated[int, Param("A count.", above=0)] = 3,
    number: Annotated[int | float, Param("Either.")] = 20.0,
    size: Annotated[Ints2, Param("Width and height.", min=1)] = (5, 6),
    color: Annotated[Floats3, Param("A colour.")] = (0.0, 0.0, 0.0),
    sigma: Annotated[Floats2 | None, Param("Optional.", min=0)] = None,
    offset: Annotated[Floats2 | Floats4, Param("Two or four.")] = (0.0, 1.0),
    mode: Annotated[Literal["fill", "edge", "wrap"], Param("A choice.")] = "fill",
    flag: Annotated[bool, Param("Yes or no.")] = True,
    name: Annotated[str, Param("A text.")] = "it",
    file: Annotated[File | None, Param("A file.")] = None,
    when: Annotated[FrameTime, Param("A moment.", min=0)] = FrameTime(0.0),  # noqa: B008
    pixels: Annotated[list | None, Param("Nested.")] = None,  # type: ignore[type-arg]
    *,
    rng: object = None,
) -> None: ...


PARAMS = declarations(component, GROUPS)


def given(name: str, text: str, source: str = "a.yaml") -> Value:
    return PARAMS[name].convert(read_yaml(text, source))


def resolved(name: str, text: str) -> Any:
    return given(name, text).resolve(VARIABLES, random.Random(0))


def refusal(name: str, text: str) -> str:
    with pytest.raises(InputError) as caught:
        resolved(name, text)
    return str(caught.value)


def test_only_parameters_with_a_param_are_declared() -> None:
    assert list(PARAMS) == [name for name in inspect.signature(component).parameters if name not in ("images", "rng")]
    assert [name for name, param in PARAMS.items() if param.required] == ["ratio"]
    assert [name for name, param in PARAMS.items() if param.optional] == ["sigma", "file", "pixels"]


def test_types_in_words() -> None:
    assert {name: param.type_name for name, param in PARAMS.items()} == {
        "ratio": "float",
        "count": "int",
        "number": "int or float",
        "size": "list of 2 ints",
        "color": "list of 3 floats",
        "sigma": "list of 2 floats",
        "offset": "list of 2 or 4 floats",
        "mode": "one of fill, edge, wrap",
        "flag": "bool",
        "name": "string",
        "file": "path or URL of a file",
        "when": "epoch, ratio or percentage",
        "pixels": "nested list",
    }


def exactly(value: object) -> tuple[type, object]:
    return type(value), value


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("ratio", "1", 1.0),
        ("ratio", "t * 2", 0.5),
        ("count", "7", 7),
        ("count", "7.0", 7),
        ("count", "10 * 30", 300),
        ("count", "epoch + 5 / 2", 5),
        ("count", "1 if t > 1 else 2.9", 2),
        ("number", "5", 5),
        ("number", "5.0", 5.0),
        ("number", "2 * 5", 10),
        ("number", "2 * 5.", 10.0),
        ("number", "epoch", 3.0),
        ("size", "7", (7, 7)),
        ("size", "7 8", (7, 8)),
        ("size", "7, 8", (7, 8)),
        ("size", "[7, 8]", (7, 8)),
        ("size", "[7]", (7, 7)),
        ("size", "[width / 4, height]", (7, 20)),
        ("size", "width/4 height", (7, 20)),
        ("size", "res", (30, 20)),
        ("size", "224 if t < .2 else 448", (448, 448)),
        ("size", "- 224 if t < .2 else 448", (448, 448)),
        ("color", ".5", (0.5, 0.5, 0.5)),
        ("color", "0 .5 t", (0.0, 0.5, 0.25)),
        ("sigma", "~", None),
        ("sigma", "2", (2.0, 2.0)),
        ("offset", "1", (1.0, 1.0)),
        ("offset", "-1 1", (-1.0, 1.0)),
        ("offset", "[1, 2, 3, 4]", (1.0, 2.0, 3.0, 4.0)),
        ("mode", "edge", "edge"),
        ("mode", "Edge", "edge"),
        ("mode", "WRAP", "wrap"),
        ("flag", "false", False),
        ("flag", "t > .5", False),
        ("name", "12", "12"),
        ("name", "t * 2", "t * 2"),
        ("when", "5", FrameTime(5)),
        ("when", "1.0", FrameTime(1.0)),
        ("when", "10 if t > .5 else 20", FrameTime(20)),
        ("when", "int(10)", FrameTime(10)),
        ("when", "2 * 5", FrameTime(10)),
        ("when", "12.5%", FrameTime(0.125)),
        ("when", "'10 %'", FrameTime(0.1)),
        ("when", "t / 2", FrameTime(0.125)),
        ("pixels", "[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("file", "http://example.org/a.png", "http://example.org/a.png"),
    ],
)
def test_values(name: str, text: str, wanted: object) -> None:
    found = resolved(name, text)
    assert found == wanted
    if isinstance(wanted, FrameTime):
        assert isinstance(found, FrameTime)
        assert type(found.value) is type(wanted.value)
    elif isinstance(wanted, tuple):
        assert [type(item) for item in found] == [type(item) for item in wanted]
    elif name != "file":
        assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ratio", "1.5", "above the maximum of 1"),
        ("ratio", "-.1", "below the minimum of 0"),
        ("ratio", "1 / (t - .25)", "division by zero"),
        ("ratio", "res", "several values"),
        ("ratio", "[1]", "a list is not a value"),
        ("ratio", "{a: 1}", "a mapping is not a value"),
        ("ratio", "~", "nothing is not a value"),
        ("ratio", "true", "True is not a number"),
        ("ratio", ".inf", "not a finite number"),
        ("ratio", ".nan", "not a finite number"),
        ("ratio", "lr", "unknown variable 'lr'"),
        ("ratio", "50%", "not an expression"),
        ("count", "0", "not above 0"),
        ("count", "1.5", "1.5 is not a whole number"),
        ("size", "[1, 2, 3]", "3 values given, 2 needed, or one for all"),
        ("size", "[]", "0 values given"),
        ("size", "1 2 3", "3 values given"),
        ("size", "[1, res]", "several values"),
        ("size", "[t * 9, 0]", "a.yaml:1:9: size: 0 is below the minimum of 1"),
        ("size", "'[1, 2, 3]'", "3 values given"),
        ("size", "4 0", "below the minimum of 1"),
        ("size", "[[1], [2]]", "a list is not a value"),
        ("offset", "1 2 3", "3 values given, 2 or 4 needed"),
        ("mode", "edgy", "'edgy' is unknown; did you mean 'edge'?"),
        ("mode", "5", "5 is not a string"),
        ("flag", "1", "1 is neither true nor false"),
        ("name", "[a]", "a list is not a value"),
        ("name", "true", "True is not a string"),
        ("when", "5.0", "5 is beyond the end of the run"),
        ("when", "150%", "1.5 is beyond the end of the run"),
        ("size", "3 .35", "0.35 is not a whole number"),
        ("when", "-1", "below the minimum of 0"),
        ("when", "-5%", "-0.05 is below the minimum of 0"),
        ("when", "'%'", "not an expression"),
        ("file", "nowhere.png", "there is no file 'nowhere.png'"),
        ("file", "~nosuchuser/a.png", "there is no file"),
        ("file", "x" * 5000, "there is no file"),
        ("file", "file:///etc/passwd", "there is no file"),
        ("file", "5", "5 is not a string"),
    ],
)
def test_refusals(name: str, text: str, message: str) -> None:
    found = refusal(name, text)
    assert found.startswith(f"a.yaml:1:1: {name}: ") or ":1:" in found
    assert message in found
    assert f"expected {PARAMS[name].type_name}" in found


@pytest.mark.parametrize(
    ("text", "place"),
    [("width + foo", "a.yaml:1:9"), ("1, foo", "a.yaml:1:4"), ("'t + foo'", "a.yaml:1:1"), ("[1, foo]", "a.yaml:1:5")],
)
def test_the_place_of_a_mistake_in_an_expression(text: str, place: str) -> None:
    assert refusal("size", text).startswith(f"{place}: size: unknown variable 'foo'")


def test_constants_are_checked_before_the_run() -> None:
    assert refusal("ratio", "2 * 3").startswith("a.yaml:1:1: ratio: 6 is above")


@pytest.mark.parametrize(
    ("name", "text", "wanted", "message"),
    [
        ("ratio", "t * 8", 1, "a.yaml:1:1: ratio: 2 is out of range in epoch 3, and is held at 1"),
        ("ratio", "t - 1", 0, "a.yaml:1:1: ratio: -0.75 is out of range in epoch 3, and is held at 0"),
        ("when", "t * 8", FrameTime(1.0), "a.yaml:1:1: when: 2 is out of range in epoch 3, and is held at 1"),
    ],
)
def test_an_expression_that_leaves_the_range_is_held_with_one_warning(
    caplog: pytest.LogCaptureFixture, name: str, text: str, wanted: Any, message: str
) -> None:
    value = given(name, text)
    with caplog.at_level(logging.WARNING, "clipig"):
        assert [value.resolve(VARIABLES, random.Random(0)) for _ in range(3)] == [wanted] * 3
    assert [record.getMessage() for record in caplog.records] == [message]


def test_a_constant_keeps_its_value_and_a_random_one_does_not() -> None:
    rng = random.Random(0)
    assert len({given("ratio", "random()").resolve({}, rng) for _ in range(5)}) == 5
    value = given("ratio", "random()")
    assert len({value.resolve({}, rng) for _ in range(5)}) == 5
    value = given("ratio", "1 / 4")
    assert {value.resolve({}, rng) for _ in range(5)} == {0.25}


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        ("size", "width/2 height/2", "width/2 height/2"),
        ("size", "[7, t * 9]", [7, "t * 9"]),
        ("when", "12.5%", "12.5%"),
        ("when", "7", 7),
        ("mode", "Edge", "Edge"),
        ("sigma", "~", None),
    ],
)
def test_source_is_as_written(name: str, text: str, source: object) -> None:
    assert given(name, text).source == source


@pytest.mark.parametrize("param", [param for param in PARAMS.values() if not param.required], ids=lambda p: p.name)
def test_defaults_are_themselves(param: Declaration) -> None:
    value = param.default_value()
    assert exactly(value.resolve({}, random.Random(0))) == exactly(param.default)
    again = param.convert(Node.of(value.source, Place("b.yaml")))
    assert again.resolve({}, random.Random(0)) == param.default


def test_files_are_found_beside_the_config_and_then_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder in (beside, here):
        folder.mkdir()
        (folder / "both.png").touch()
    (here / "only.png").touch()
    (tmp_path / "home.png").touch()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = str(beside / "a.yaml")
    assert given("file", "both.png", config).source == str(beside / "both.png")
    assert given("file", "only.png", config).source == str(here / "only.png")
    assert given("file", "~/home.png", config).source == str(tmp_path / "home.png")
    assert given("file", str(here / "only.png"), config).source == str(here / "only.png")
    with pytest.raises(InputError, match="there is no file"):
        given("file", ".", config)


def bytes_parameter(value: Annotated[bytes, Param("No parameter type.")]) -> None: ...


def mixed_tuple(value: Annotated[tuple[int, float], Param("Two types.")]) -> None: ...


def unknown_name(value: Annotated[NoSuchType, Param("Undefined.")]) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("function", [bytes_parameter, mixed_tuple, unknown_name])
def test_a_declaration_without_meaning_is_the_error_of_the_plugin(function: Any) -> None:
    with pytest.raises(PluginError):
        declarations(function)


def test_words_in_place_of_a_number() -> None:
    def component(chunk: Annotated[int | Literal["auto", "all"], Param("Views at once.", min=1)] = "auto") -> None: ...

    declaration = declarations(component)["chunk"]
    assert declaration.type_name == "auto or all or int"
    assert declaration.default_value().resolve({}, random.Random(0)) == "auto"
    for written, wanted in ((7, 7), ("ALL", "all"), ("2 * 4", 8)):
        assert declaration.convert(Node.of(written, Place("test"))).resolve({}, random.Random(0)) == wanted
    for wrong in (0, "some", 1.5, [1]):
        with pytest.raises(InputError, match=r"chunk: .*expected auto or all or int"):
            declaration.convert(Node.of(wrong, Place("test")))


# Types


class Degrees(Type):
    """An angle, as `90deg` or `1.5rad`, in degrees."""

    name = "angle, such as 90deg"

    def read(self, node: Node) -> float:
        text = self.text(node)
        for unit, factor in (("deg", 1.0), ("rad", 180 / math.pi)):
            if text.endswith(unit):
                return float(text.removesuffix(unit)) * factor
        raise ValueError(f"'{text}' has no unit")

    def example(self) -> str:
        return "45deg"


def node(text: str) -> Node:
    return read_yaml(text, "a.yaml")


def turned(
    angle: Annotated[float, Degrees(), Param("How far.")],
    fill: Annotated[Color, Param("Behind it.", max=1)] = (0, 0, 0),
    other: Annotated[Color | None, Param("Beside it.")] = None,
) -> None: ...


TURNED = declarations(turned)


def test_a_type_of_a_plugin() -> None:
    assert TURNED["angle"].type_name == "angle, such as 90deg"
    assert TURNED["angle"].convert(node("90deg")).fixed == 90
    with pytest.raises(InputError, match=r"angle: '90' has no unit \(expected angle, such as 90deg\)"):
        TURNED["angle"].convert(node("'90'"))
    assert TURNED["angle"].convert(node("1.5rad")).source == "1.5rad"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("'#f80'", (1, 0x88 / 255, 0)),
        ("'#FF8000'", (1, 0x80 / 255, 0)),
        ("Gold", (1, 215 / 255, 0)),
        (".5", (0.5, 0.5, 0.5)),
        ("[0, .5, 1]", (0, 0.5, 1)),
        ("0 .5 1/2", (0, 0.5, 0.5)),
    ],
)
def test_colors(written: str, wanted: tuple[float, ...]) -> None:
    assert TURNED["fill"].convert(node(written)).fixed == pytest.approx(wanted)
    assert TURNED["other"].convert(node(written)).fixed == pytest.approx(wanted)


@pytest.mark.parametrize("written", ["'#ff88'", "reddish", "2", "'#f80 0 1'"])
def test_what_is_no_color(written: str) -> None:
    with pytest.raises(InputError, match=r"fill: .*expected 3 floats, '#ff8800', or the name"):
        TURNED["fill"].convert(node(written))


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("'#12'", "'#12' is no color"), ("goldd", "did you mean 'gold'"), ("nocolor", "'nocolor' is no color")],
)
def test_a_wrong_color_is_named_as_one(written: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        TURNED["fill"].convert(node(written))
    assert wanted in str(caught.value)
    assert "expression" not in str(caught.value)
    assert "variable" not in str(caught.value)


def test_no_color_is_one_where_it_is_optional() -> None:
    assert TURNED["other"].default_value().fixed is None


LENGTHS = {"width": 60.0, "height": 40.0}


@pytest.mark.parametrize(
    ("written", "pixels"),
    [
        ("5%", (2, 2)),
        ("5% 2", (2, 2)),
        ("5% 10%", (2, 4)),
        ("12.5%, width / 10", (5, 6)),
        (["5%", 7], (2, 7)),
        ("7 % 4", (3, 3)),
        ("7%4", (3, 3)),
        (3, (3, 3)),
    ],
)
def test_lengths_may_be_shares_of_the_picture(written: Any, pixels: tuple[int, int]) -> None:
    def border(size: Annotated[Ints2, Param("How wide.", min=0, length=True)]) -> None: ...

    value = declarations(border, ("resolution",))["size"].convert(Node.of(written, Place("x")))
    assert value.resolve(LENGTHS, random.Random(0)) == pixels
    assert value.source == written


@pytest.mark.parametrize("written", ["-5%", "-500%", "5%, -5%", ["-5%", 7], "-width / 10"])
def test_shares_that_are_too_small_in_any_picture(written: Any) -> None:
    def border(size: Annotated[Ints2, Param("How wide.", min=0, length=True)]) -> None: ...

    declaration = declarations(border, ("resolution",))["size"]
    with pytest.raises(InputError, match=r"size: -\d+ is below the minimum of 0 in a picture of 100 pixels"):
        declaration.convert(Node.of(written, Place("x")))


@pytest.mark.parametrize("written", ["width / 20 - 7", "1 / (width - 100)", "(random() - .9) * width"])
def test_lengths_that_some_picture_can_have(written: str) -> None:
    def border(size: Annotated[float, Param("How wide.", min=0, length=True)]) -> None: ...

    declarations(border, ("resolution",))["size"].convert(Node.of(written, Place("x")))


def test_what_is_no_length_has_no_shares() -> None:
    def border(size: Annotated[float, Param("How much.")]) -> None: ...

    with pytest.raises(InputError):
        declarations(border, ("resolution",))["size"].convert(Node.of("5%", Place("x")))
