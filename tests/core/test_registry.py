from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path

import pytest

from clipig_core import PluginError
from clipig_core.extension.registry import Registry

HEAD = "from clipig_core import hookimpl\n"


def provide(kind: str, name: str, target: str) -> str:
    return f"{HEAD}@hookimpl\ndef clipig_{kind}():\n    return {{{name!r}: {target!r}}}\n"


Make = Callable[..., EntryPoint]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Writes a module and gives the entry point of an installed distribution that names it."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def entry(name: str, code: str, distribution: str = "acme", requires: str = "clipig>=0.1") -> EntryPoint:
        module = f"{distribution}_{name}"
        (tmp_path / f"{module}.py").write_text(code)
        importlib.invalidate_caches()
        info = tmp_path / f"{module}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\nRequires-Dist: {requires}\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[clipig]\n{name} = {module}\n")
        (point,) = Distribution.at(info).entry_points
        return point

    yield entry
    for module in set(sys.modules) - before:
        if module.startswith(("acme_", "bolt_", "clipig_mine")):
            del sys.modules[module]


FUNCTION = "def swirl(images):\n    '''Swirl it.'''\n    return images\n"


def test_all_built_in_plugins_are_found_and_whole() -> None:
    registry = Registry()
    built_in = [plugin for plugin in registry.plugins if plugin.built_in]
    assert {plugin.name for plugin in built_in} == {entry.name for entry in entry_points(group="clipig")}
    assert [(plugin.name, plugin.errors) for plugin in built_in if plugin.status != "ok"] == []
    assert registry.find("transform", "random_shift").random
    assert registry.find("transform", "resize").resizes
    assert not registry.find("transform", "blur").resizes


def test_a_third_party_component_is_found_by_its_name(make: Make) -> None:
    code = provide("transforms", "swirl", "acme_good:swirl") + FUNCTION
    registry = Registry([make("good", code)])
    component = registry.find("transform", "swirl")
    assert component.function([1]) == [1]
    assert component.doc == "Swirl it."
    assert component.describe() == "transform 'swirl' of plugin 'good' (acme 1.2)"
    assert registry.find("transform", "acme/swirl") is component


BROKEN = {
    "raises on import": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "ends the process": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "is no Python": ("def (", "SyntaxError"),
    "needs what is not there": ("import acme_not_there", "acme_not_there"),
    "unknown hook": (f"{HEAD}@hookimpl\ndef clipig_sounds():\n    return {{}}", "clipig_sounds"),
    "wrong signature": (f"{HEAD}@hookimpl\ndef clipig_transforms(config):\n    return {{}}", "config"),
    "hook raises": (f"{HEAD}@hookimpl\ndef clipig_transforms():\n    return 1 / 0", "ZeroDivisionError"),
    "hook returns a list": (f"{HEAD}@hookimpl\ndef clipig_transforms():\n    return ['swirl']", "Error"),
    "name is no text": (f"{HEAD}@hookimpl\ndef clipig_transforms():\n    return {{1: 'a:b'}}", "TypeError"),
    "target is no text": (f"{HEAD}@hookimpl\ndef clipig_transforms():\n    return {{'swirl': len}}", "TypeError"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_harms_nobody(make: Make, kind: str) -> None:
    code, reason = BROKEN[kind]
    good = make("good", provide("transforms", "swirl", "acme_good:swirl") + FUNCTION)
    other = make("other", provide("constraints", "calm", "bolt_other:calm") + "def calm(images): ...", "bolt")
    registry = Registry([good, make("bad", code), other])
    bad = next(plugin for plugin in registry.plugins if plugin.name == "bad")
    assert bad.status == "broken"
    assert reason in bad.errors[0]
    assert (bad.distribution, bad.version, bad.components) == ("acme", "1.2", [])
    assert registry.names("transform") == ["swirl"]
    assert registry.names("constraint") == ["calm"]
    assert registry.find("transform", "swirl").function(1) == 1
    with pytest.raises(LookupError, match=r"unknown transform 'glow'.*plugin 'bad' \(acme 1.2\) is broken"):
        registry.find("transform", "glow")


def test_a_distribution_of_which_only_the_entry_point_is_left(make: Make, tmp_path: Path) -> None:
    left, whole = (make("s", provide("transforms", "swirl", f"{name}_s:swirl"), name) for name in ("acme", "bolt"))
    (tmp_path / "acme_s.py").unlink()
    (tmp_path / "acme_s.dist-info" / "METADATA").unlink()
    plugins = Registry([left, whole]).plugins
    assert [(plugin.distribution, plugin.version) for plugin in plugins] == [("bolt", "1.2"), ("unknown", "0")]
    assert plugins[1].status == "broken"


@pytest.mark.parametrize("requires", ["clipig>=99", "clipig (>=99)", "Clipig [fast] <0.1; python_version > '3'"])
def test_a_plugin_for_another_version_of_clipig_is_not_even_imported(make: Make, requires: str) -> None:
    code = provide("transforms", "swirl", "acme_good:swirl") + FUNCTION
    (plugin,) = Registry([make("good", code, requires=requires)]).plugins
    assert re.fullmatch(r"it needs clipig(>=99|<0\.1), but this is clipig \d.*", plugin.errors[0])
    assert "acme_good" not in sys.modules


@pytest.mark.parametrize(
    "requires", ["clipig", "clipig>=0.0.1", "clipig-other>=99", "clipig.other>=99", "clipig>=99; extra == 'test'"]
)
def test_other_requirements_are_none_of_its_business(make: Make, requires: str) -> None:
    code = provide("transforms", "swirl", "acme_good:swirl") + FUNCTION
    (plugin,) = Registry([make("good", code, requires=requires)]).plugins
    assert plugin.errors == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("acme_not_there:swirl", "acme_not_there"),
        ("acme_part:swril", "has no 'swril'"),
        ("acme_part", "module:function"),
    ],
)
def test_a_missing_function_breaks_only_its_component(make: Make, target: str, reason: str) -> None:
    code = f"{HEAD}@hookimpl\ndef clipig_transforms():\n    return {{'bad': {target!r}, 'swirl': 'acme_part:swirl'}}\n"
    registry = Registry([make("part", code + FUNCTION)])
    (plugin,) = registry.plugins
    assert plugin.status == "broken"
    assert reason in plugin.errors[0]
    assert registry.find("transform", "swirl").function(1) == 1
    with pytest.raises(LookupError, match=r"'bad' of plugin 'part'.* is broken"):
        registry.find("transform", "bad")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no licence')\ndef swirl(): ...", "no licence"),
        ("import sys\nsys.exit(3)\nswirl = 1", "3"),
        ("swirl = 5", "not a function"),
    ],
)
def test_a_component_that_cannot_be_loaded_is_an_error_of_the_plugin(
    make: Make, tmp_path: Path, code: str, reason: str
) -> None:
    (tmp_path / "acme_lazy.py").write_text(code)
    registry = Registry([make("late", provide("transforms", "swirl", "acme_lazy:swirl"))])
    component = registry.find("transform", "swirl")
    with pytest.raises(PluginError, match=f"transform 'swirl' of plugin 'late' .*{reason}"):
        _ = component.params


def test_listing_does_not_import_the_components(make: Make, tmp_path: Path) -> None:
    (tmp_path / "acme_heavy.py").write_text(FUNCTION)
    registry = Registry([make("light", provide("transforms", "swirl", "acme_heavy:swirl"))])
    assert registry.plugins[0].status == "ok"
    assert "acme_heavy" not in sys.modules
    assert registry.find("transform", "swirl").function(1) == 1


def test_two_third_parties_with_one_name(make: Make) -> None:
    codes = {
        name: provide("transforms", "swirl", f"{name}_s:swirl") + f"def swirl(): return {name!r}\n"
        for name in ("acme", "bolt")
    }
    registry = Registry([make("s", code, name) for name, code in codes.items()])
    with pytest.raises(LookupError, match="more than once; write one of 'acme/swirl', 'bolt/swirl'"):
        registry.find("transform", "swirl")
    assert registry.find("transform", "acme/swirl").function() == "acme"
    assert registry.find("transform", "bolt/swirl").function() == "bolt"
    with pytest.raises(LookupError, match="unknown transform 'other/swirl'"):
        registry.find("transform", "other/swirl")
    with pytest.raises(LookupError, match=r"\(the distribution 'other' is not installed: pip install other\)"):
        registry.find("transform", "other/old_paper")


def test_a_third_party_cannot_replace_a_built_in(make: Make) -> None:
    code = provide("transforms", "blur", "acme_mine:blur") + "def blur(): return 'mine'\n"
    registry = Registry([make("mine", code), *entry_points(group="clipig")])
    assert registry.find("transform", "blur").plugin.distribution == "clipig"
    assert registry.find("transform", "clipig/blur").plugin.distribution == "clipig"
    assert registry.find("transform", "acme/blur").function() == "mine"


def test_the_same_names_in_two_distributions_both_work(make: Make) -> None:
    one = make("s", provide("transforms", "one", "acme_s:swirl") + FUNCTION)
    two = make("s", provide("transforms", "two", "bolt_s:swirl") + FUNCTION, "bolt")
    assert Registry([one, two]).names("transform") == ["one", "two"]


def test_disabled_plugins_are_not_even_imported(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPIG_DISABLE", "good, filters")
    good = make("good", provide("transforms", "swirl", "acme_good:swirl") + FUNCTION)
    registry = Registry([good, *entry_points(group="clipig")])
    assert "acme_good" not in sys.modules
    assert {plugin.name for plugin in registry.plugins if plugin.status == "disabled"} == {"good", "filters"}
    assert "random_shift" in registry.names("transform")
    with pytest.raises(LookupError, match=r"plugin 'filters' .* is disabled"):
        registry.find("transform", "blur")


@pytest.mark.parametrize(
    ("allow", "disable", "loaded"),
    [
        ("", "", {"good", "other"}),
        ("none", "", set()),
        ("good", "", {"good"}),
        ("go*, x", "", {"good"}),
        ("*/*", "", {"good", "other"}),
        ("*/good", "", {"good"}),
        ("*", "o*", {"good"}),
        ("", "*/good", {"other"}),
    ],
)
def test_which_plugins_of_others_are_loaded(
    make: Make, monkeypatch: pytest.MonkeyPatch, allow: str, disable: str, loaded: set[str]
) -> None:
    monkeypatch.setenv("CLIPIG_PLUGINS", allow)
    monkeypatch.setenv("CLIPIG_DISABLE", disable)
    made = [make(name, provide("transforms", "swirl", f"acme_{name}:swirl") + FUNCTION) for name in ("good", "other")]
    registry = Registry([*made, *entry_points(group="clipig")])
    assert {plugin.name for plugin in registry.plugins if not plugin.built_in and not plugin.disabled} == loaded
    assert registry.find("transform", "blur")
    assert {name for name in ("good", "other") if f"acme_{name}" in sys.modules} == loaded


def test_nearest_name() -> None:
    with pytest.raises(LookupError, match=r"unknown transform 'blurr' \(did you mean 'blur'"):
        Registry().find("transform", "blurr")


def test_models_by_file(tmp_path: Path) -> None:
    registry = Registry()
    path = tmp_path / "own.PT"
    path.touch()
    component, found = registry.find_model("own.PT", str(tmp_path / "a.yaml"))
    assert (component.name, found, type(found)) == (".pt", str(path), str)
    component, found = registry.find_model("ViT-B/32")
    assert (component.name, found) == ("ViT-B/32", "ViT-B/32")
    for name in (str(tmp_path / "gone.safetensors"), "x" * 5000 + ".pt"):
        with pytest.raises(LookupError, match="there is no file"):
            registry.find_model(name)
    with pytest.raises(LookupError, match="unknown model"):
        registry.find_model("own.onnx")


def test_a_feature_source_without_a_value_is_an_error_of_the_plugin(make: Make) -> None:
    code = provide("features", "mood", "acme_mood:mood") + "def mood(encoder): ...\n"
    with pytest.raises(PluginError, match=r"feature 'mood'.*needs a parameter 'value'"):
        _ = Registry([make("mood", code)]).find("feature", "mood").params


def test_names_of_which_none_is_meant(make: Make) -> None:
    def plugin(distribution: str, name: str) -> EntryPoint:
        code = provide("transforms", name, f"{distribution}_plugin:swirl") + FUNCTION
        return make("plugin", code, distribution)

    built_in = [*entry_points(group="clipig")]
    own, one, two = plugin("own", "blur"), plugin("one", "swirl"), plugin("two", "swirl")
    assert Registry([own, one, *built_in]).ambiguous() == []
    (sentence,) = Registry([own, one, two, *built_in]).ambiguous()
    assert sentence == "transform 'swirl' is provided more than once; write one of 'one/swirl', 'two/swirl'"
