"""Plugins that fail in every way there is, installed: each is named with its reason, and harms nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.installed.support import Done, Environment, provide, write_wheel


@dataclass(frozen=True)
class Failure:
    """A distribution with one plugin, called as it, and a transform of that name; what is said of it, and when."""

    code: str
    status: str
    reason: str
    """What the listing gives as its error; nothing where listing it shows nothing wrong."""
    message: str
    """What a run says that uses the transform."""
    exit_code: int = 2
    requires: str = "clipig>=0.1"
    module: str = ""
    """The module of the entry point, where it is not the one that is there."""


def transform(name: str, body: str) -> str:
    """A plugin with one transform, in the same module, which is light."""
    return f"{provide('transforms', **{name: f'{name}:{name}'})}\n\ndef {name}(images):\n    {body}\n"


def broken(name: str) -> str:
    """The message of a run if nothing is known of what a plugin provides."""
    return f"unknown transform '{name}' "


SWIRL = "return images.flip(3)"
HOOK = "from clipig_core import hookimpl\n\n\n@hookimpl\ndef "

FAILURES = {
    "on_import": Failure("raise RuntimeError('no licence')", "broken", "RuntimeError: no licence", broken("on_import")),
    "exits": Failure("import sys\nsys.exit('no licence')", "broken", "SystemExit: no licence", broken("exits")),
    "hook_raises": Failure(
        f"{HOOK}clipig_transforms():\n    return 1 / 0",
        "broken",
        "ZeroDivisionError: division by zero",
        broken("hook_raises"),
    ),
    "unknown_hook": Failure(
        f"{HOOK}clipig_sounds():\n    return {{}}", "broken", "unknown hook 'clipig_sounds'", broken("unknown_hook")
    ),
    "wrong_hook": Failure(
        f"{HOOK}clipig_transforms(config):\n    return {{}}",
        "broken",
        "Argument(s) {'config'} are declared in the hookimpl but can not be found in the hookspec",
        broken("wrong_hook"),
    ),
    "missing_function": Failure(
        provide("transforms", missing_function="missing_function:swril"),
        "broken",
        "transform 'missing_function': module 'missing_function' has no 'swril'",
        "transform 'missing_function' of plugin 'missing_function' (missing_function 1.0) is broken: module "
        "'missing_function' has no 'swril'",
    ),
    "too_new": Failure(
        transform("too_new", SWIRL),
        "broken",
        "it needs clipig>=99, but this is clipig ",
        broken("too_new"),
        requires="clipig>=99",
    ),
    "stale": Failure(transform("stale", SWIRL), "broken", "No module named 'stale'", broken("stale"), module="renamed"),
    "late_import": Failure(
        provide("transforms", late_import="late_import_functions:late_import"),
        "ok",
        "",
        "transform 'late_import' of plugin 'late_import' (late_import 1.0) cannot be loaded: ModuleNotFoundError: No "
        "module named 'not_there'",
    ),
    "when_called": Failure(
        transform("when_called", "raise RuntimeError('out of ink')"),
        "ok",
        "",
        "transform 'when_called' of plugin 'when_called' (when_called 1.0) failed: RuntimeError: out of ink",
        exit_code=1,
    ),
}
LATE = {"late_import_functions": "import not_there\n\n\ndef late_import(images): ...\n"}
HARMLESS = {
    "acme-blur": transform("acme_blur", SWIRL).replace("'acme_blur':", "'blur':"),
    "twin-one": transform("twin_one", SWIRL).replace("'twin_one':", "'twin':"),
    "twin-two": transform("twin_two", "raise RuntimeError('the wrong twin')").replace("'twin_two':", "'twin':"),
}
"""One that has a name of clipig's own, and two that have the same."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """All of them at once."""
    folder = tmp_path_factory.mktemp("failures")
    environment = Environment(folder / "environment")
    environment.install(
        *(
            write_wheel(
                folder, name, {f.module or name: f.code} | (LATE if name == "late_import" else {}), [f.requires]
            )
            for name, f in FAILURES.items()
        ),
        *(write_wheel(folder, name, {name.replace("-", "_"): code}) for name, code in HARMLESS.items()),
    )
    return environment


@pytest.fixture(scope="module")
def run(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Done]:
    """Runs a config with these transforms."""

    def run(*transforms: str, **more: str) -> Done:
        folder = tmp_path_factory.mktemp("run")
        (folder / "a.yaml").write_text(
            "device: cpu\nresolution: 16\nepochs: 2\ntargets:\n  - constraints: [edge_mean]\n    transforms:\n"
            + "".join(f"      - {one}\n" for one in transforms)
        )
        done = environment.clipig("run", "a.yaml", "-o", "made.png", "-v", "0", folder=folder, **more)
        assert (folder / "made.png").exists() == (done.returncode == 0)
        return done

    return run


@pytest.mark.parametrize(("name", "failure"), FAILURES.items(), ids=FAILURES)
def test_it_is_listed_with_its_reason(environment: Environment, name: str, failure: Failure) -> None:
    plugin = environment.listing()[name]
    assert (plugin["status"], plugin["distribution"], plugin["version"]) == (failure.status, name, "1.0")
    assert [failure.reason in error for error in plugin["errors"]] == [True] * bool(failure.reason)
    done = environment.clipig("plugins")
    assert done.returncode == 0
    assert re.search(rf"\b{name}\b.*{re.escape(failure.reason)}", done.stdout)


@pytest.mark.parametrize(("name", "failure"), FAILURES.items(), ids=FAILURES)
def test_strict_fails_for_it_alone(environment: Environment, name: str, failure: Failure) -> None:
    others = ",".join([*FAILURES.keys() - {name}, "twin_two"])
    done = environment.clipig("plugins", "--strict", CLIPIG_DISABLE=others)
    assert done.returncode == (failure.status == "broken")


def test_strict_fails_for_an_ambiguous_name(environment: Environment) -> None:
    done = environment.clipig("plugins", "--strict", CLIPIG_PLUGINS="twin_*")
    assert done.returncode == 1
    assert "transform 'twin' is provided more than once" in done.stderr
    assert environment.clipig("plugins", "--strict", CLIPIG_PLUGINS="twin_one").returncode == 0


@pytest.mark.parametrize(("name", "failure"), FAILURES.items(), ids=FAILURES)
def test_a_run_that_needs_it_says_so(run: Callable[..., Done], name: str, failure: Failure) -> None:
    done = run(name)
    assert done.returncode == failure.exit_code
    assert failure.message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    if failure.message == broken(name):
        assert f"plugin '{name}' ({name} 1.0) is broken" in done.stderr


def test_a_run_that_needs_none_of_them_works_and_names_mean_what_they_say(run: Callable[..., Done]) -> None:
    done = run("blur: 3", "blur: {kernel_size: 3}", "twin-one/twin", "acme-blur/blur")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("acme-blur/blur: 3", "transform 'acme-blur/blur' takes no parameters"),
        ("twin", "transform 'twin' is provided more than once; write one of 'twin-one/twin', 'twin-two/twin'"),
        ("acme-blur/twin", "unknown transform 'acme-blur/twin'"),
    ],
)
def test_conflicts(run: Callable[..., Done], transform: str, message: str) -> None:
    done = run(transform)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_disabled_plugin_is_not_used(environment: Environment, run: Callable[..., Done]) -> None:
    assert environment.listing(CLIPIG_DISABLE="twin_two")["twin_two"]["status"] == "disabled"
    assert run("twin", CLIPIG_DISABLE="twin_two").returncode == 0
    done = run("twin", CLIPIG_DISABLE="twin_one, twin_two")
    assert done.returncode == 2
    assert "unknown transform 'twin'" in done.stderr
    assert "plugin 'twin_one' (twin-one 1.0) is disabled" in done.stderr
