from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from clipig_core.errors import InputError, Problem
from clipig_core.language.nodes import Node
from clipig_core.language.yaml import MAX_BYTES, read_file, read_yaml

from .support import problems_of


def problem_of(text: str | bytes) -> Problem:
    (problem,) = problems_of(lambda: read_yaml(text, "a.yaml"))
    return problem


def test_every_part_knows_its_place() -> None:
    root = read_yaml("epochs: 5\ntargets:\n  - name: a\n    features:\n    - text: 'an owl'\n", "a.yaml")
    target = root.value["targets"].value[0]
    text = target.value["features"].value[0].value["text"]
    assert str(root.keys["targets"]) == "a.yaml:2:1"
    assert str(target.place) == "a.yaml:3:5"
    assert str(target.keys["features"]) == "a.yaml:4:5"
    assert (str(text.place), text.value) == ("a.yaml:5:13", "an owl")


@pytest.mark.parametrize("text", ["x: 1\na:\nb: 2", "x: 1\na:", "x: 1\na:   # nothing\n\n\nb: 2"])
def test_nothing_is_where_its_name_is(text: str) -> None:
    node = read_yaml(text, "a.yaml").value["a"]
    assert (node.value, str(node.place)) == (None, "a.yaml:2:1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment", None),
        ("a: 1", {"a": 1}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: -.5", {"a": -0.5}),
        ("a: 1 - t", {"a": "1 - t"}),
        ("a: true\nb: ~", {"a": True, "b": None}),
        ("a: 2020-01-01", {"a": "2020-01-01"}),
        ("a: =", {"a": "="}),
        ("12: x", {"12": "x"}),
        ("a: [1, 'two', [3.5]]", {"a": [1, "two", [3.5]]}),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ("b: {q: 3, <<: [{q: 4, r: 5}, {r: 6, s: 7}]}", {"b": {"q": 3, "r": 5, "s": 7}}),
    ],
)
def test_values(text: str, value: object) -> None:
    assert read_yaml(text, "a.yaml").plain_value() == value


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3", "a.yaml:3:1", "'a' is given twice"),
        ("x:\n  - {b: 1, b: 2}", "a.yaml:2:12", "'b' is given twice"),
        ("a: [1, 2", "a.yaml:1:9", "not valid YAML"),
        ("a: 1\n b: 2", "a.yaml:2:3", "not valid YAML"),
        ("a: *b", "a.yaml:1:4", "undefined alias"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1", "another document"),
        ("a: 1\n? [x]\n: 2", "a.yaml:2:3", "a name is expected"),
        ("<<: 3", "a.yaml:1:5", "needs a mapping"),
        ("a: !!python/name:os.system x", "a.yaml:1:4", "tag"),
        ("a: !!python/object/apply:os.system [ls]", "a.yaml:1:4", "tag"),
        ("a: !!python/object:x.Y {b: 1}", "a.yaml:1:4", "tag"),
        ("a: !own 5", "a.yaml:1:4", "tag '!own'"),
        ("a: !!binary aGk=", "a.yaml:1:4", "tag"),
        ("a: 1\nb: !!bool maybe", "a.yaml:2:4", "maybe"),
        ("b: !!int ''", "a.yaml:1:4", "tag"),
        ("a: &a [*a]", "a.yaml:1:4", "deeply"),
        ("a: &a {b: *a}", "a.yaml:1:4", "deeply"),
        ("[" * 150 + "]" * 150, "a.yaml:1:102", "deeply"),
        ("{" * 200_000, "a.yaml:1:102", "deeply"),
        ("- " * 100_000, "a.yaml:1:201", "deeply"),
        ("".join(" " * depth + "a:\n" for depth in range(150)), "a.yaml:101:101", "deeply"),
        ("[" + "1," * 100_000 + "]", "a.yaml:1:40000", "too large"),
        (b"a: 1\nb: \xff", "a.yaml:2:4", "not a text in UTF-8"),
        ("a: \x00", "a.yaml:1:4", "the character '\\x00' is not allowed"),
        ("a: 1\n\nb: 'x\x1b]0;title\x07'", "a.yaml:3:6", "the character '\\x1b' is not allowed"),
        ("# comment\n%YAML 1.1\n---\na: yes", "a.yaml:3:1", "only the directive '%YAML 1.2'"),
        ("%YAML 3.0\n---\na: 1", "a.yaml:1:1", "incompatible YAML document"),
        ("%YAML " + "9" * 5000 + ".1\n---\na: 1", "a.yaml:1:1", "not valid YAML"),
        ("%YAML x\n---\na: 1", "a.yaml:1:7", "not valid YAML"),
        ("%TAG ! tag:x:\n---\na: 1", "a.yaml:2:1", "only the directive '%YAML 1.2'"),
        ("a: " + "9" * 5000, "a.yaml:1:4", "tag"),
    ],
)
def test_refused_at_its_place(text: str | bytes, place: str, message: str) -> None:
    problem = problem_of(text)
    assert str(problem.place) == place
    assert message in problem.message


def test_the_first_of_two_equal_keys_is_named() -> None:
    assert problem_of("a: 1\na: 2").hint == "first at a.yaml:1:1"


@pytest.mark.parametrize("depth", [5, 12])
def test_nested_aliases_are_counted_before_anything_is_made_of_them(
    monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    def built(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr("clipig_core.language.yaml._Reader.read", built)
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, depth))
    problem = problem_of(text)
    assert "too large" in problem.message
    assert problem.place
    assert problem.place.line == 5


def test_a_yaml_of_the_version_that_is_read() -> None:
    assert read_yaml("%YAML 1.2\n---\na: yes", "a.yaml").plain_value() == {"a": "yes"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    assert read_yaml("a: ü".encode(encoding), "a.yaml").plain_value() == {"a": "ü"}


def test_half_a_character_is_no_text() -> None:
    problem = problem_of("a: ü".encode("utf-16")[:-1])
    assert (str(problem.place), problem.message) == ("a.yaml:1:4", "the file is not a text in UTF-8")


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (problem,) = problems_of(lambda: read_file(str(tmp_path / "a.yaml")))
    assert "it is a pipe" in problem.message


def test_the_pipe_of_a_shell_is_read() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "wb") as file:
        file.write(b"a: 1")
        file.close()
        assert read_file(f"/dev/fd/{reading}").plain_value() == {"a": 1}


def test_brackets_without_end_are_refused() -> None:
    assert problem_of("[" * 2_000)


def test_large_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b" " * (MAX_BYTES + 1))
    assert "larger than 256 KiB" in problems_of(lambda: read_file(str(path)))[0].message


@given(st.text(max_size=80) | st.text("ab:-[]{}&*!<>|%?#\"', 01.~\n", max_size=60) | st.binary(max_size=60))
def test_anything_is_yaml_or_an_input_error(text: str | bytes) -> None:
    with contextlib.suppress(InputError):
        assert isinstance(read_yaml(text, "a.yaml"), Node)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"epochs: x x")))
    root = read_file("-")
    assert root.plain_value() == {"epochs": "x x"}
    assert str(root.value["epochs"].place) == "<stdin>:1:9"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    (problem,) = problems_of(lambda: read_file(path))
    assert str(problem.place) == path
    assert "cannot read the config" in problem.message


def picture(path: Path, text: str | None) -> Path:
    info = PngImagePlugin.PngInfo()
    if text is not None:
        info.add_itxt("clipig", text, zip=True)
    Image.new("RGB", (4, 4)).save(path, "PNG", pnginfo=info)
    return path


def test_a_picture_holds_its_config(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", "epochs: 7\nname: ü")
    assert read_file(str(path)).plain_value() == {"epochs": 7, "name": "ü"}


def test_pictures_are_known_by_their_content(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.yaml", "epochs: 7")
    assert read_file(str(path)).plain_value() == {"epochs": 7}


@pytest.mark.parametrize("kind", ["without", "cut", "bomb"])
def test_pictures_without_a_config_are_refused(tmp_path: Path, kind: str) -> None:
    path = picture(tmp_path / "a.png", {"without": None, "cut": "a: 1", "bomb": "#" * 50_000_000}[kind])
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:20])
    (problem,) = problems_of(lambda: read_file(str(path)))
    assert str(problem.place) == str(path)
