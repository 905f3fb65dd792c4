"""`clipig new-plugin`. That what it writes can be installed, tested and used is in tests/installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipig_cli.new_plugin import FILES
from tests.cli.test_cli import clipig, names

EXAMPLE = Path(__file__).parents[1] / "example_plugin"


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_a_package_and_says_what_to_do_next(tmp_path: Path) -> None:
    done = clipig(tmp_path, "new-plugin", "soft-glow", PYTHONPROFILEIMPORTTIME="1")
    assert (done.returncode, done.stdout) == (0, "clipig-soft-glow\n")
    assert "\n  pip install -e 'clipig-soft-glow[test]'\n  pytest clipig-soft-glow\n" in done.stderr
    assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)

    written = files(tmp_path / "clipig-soft-glow")
    assert sorted(written) == [
        *(".gitignore", "README.md", "clipig_soft_glow/__init__.py", "clipig_soft_glow/soft_glow.py"),
        *("pyproject.toml", "tests/test_soft_glow.py"),
    ]
    assert '"soft_glow": "clipig_soft_glow.soft_glow:soft_glow"' in written["clipig_soft_glow/__init__.py"]
    assert len(written["clipig_soft_glow/soft_glow.py"].splitlines()) < 30
    assert 'name = "clipig-soft-glow"' in written["pyproject.toml"]
    assert "sepia" not in "".join(written.values())


@pytest.mark.parametrize("file", FILES)
def test_the_example_of_the_guide_is_what_it_writes_and_more(tmp_path: Path, file: str) -> None:
    """Every line is still there, in order."""
    assert clipig(tmp_path, "new-plugin", "sepia").returncode == 0
    grown = iter((EXAMPLE / file).read_text().splitlines())
    missing = [line for line in (tmp_path / "clipig-sepia" / file).read_text().splitlines() if line not in grown]
    assert missing == []


@pytest.mark.parametrize("name", ["Soft_Glow", "clipig-soft-glow", "soft.glow"])
def test_names_are_taken_in_their_normal_form(tmp_path: Path, name: str) -> None:
    done = clipig(tmp_path, "new-plugin", name, "-o", "some/where")
    assert (done.returncode, done.stdout) == (0, "some/where/clipig-soft-glow\n")
    assert names(tmp_path / "some" / "where") == ["clipig-soft-glow"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' cannot name a plugin (expected letters, digits and '-', a letter first)"),
        ("9lives", "'9lives' cannot name a plugin (expected"),
        ("../glow", "'../glow' cannot name a plugin (expected"),
        ("glow-", "'glow-' cannot name a plugin (expected"),
        ("größe", "'größe' cannot name a plugin (expected"),
        ("class", "'class' cannot name a plugin (Python, pytest or a config"),
        ("start", "'start' cannot name a plugin (Python, pytest or a config"),
        ("test-card", "'test-card' cannot name a plugin (Python, pytest or a config"),
        ("float", "'float' cannot name a plugin (Python, pytest or a config"),
        ("check-plugin", "'check-plugin' cannot name a plugin (Python, pytest or a config"),
        ("blur", "the name 'blur' is taken by plugin 'filters' (clipig "),
        ("random-shift", "the name 'random_shift' is taken by plugin 'geometry' (clipig "),
        ("geometry", "the name 'geometry' is taken by plugin 'geometry' (clipig "),
        ("core", "the name 'core' is taken by the package 'clipig_core'"),
        ("x" * 300, "cannot write to 'clipig-xxx"),
    ],
)
def test_a_name_that_will_not_do(tmp_path: Path, name: str, message: str) -> None:
    done = clipig(tmp_path, "new-plugin", "--", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert names(tmp_path) == []


def test_the_name_of_the_template_may_be_part_of_the_name(tmp_path: Path) -> None:
    assert clipig(tmp_path, "new-plugin", "soft-sepia").returncode == 0
    folder = tmp_path / "clipig-soft-sepia"
    assert 'name = "clipig-soft-sepia"' in (folder / "pyproject.toml").read_text()
    assert "def soft_sepia(" in (folder / "clipig_soft_sepia" / "soft_sepia.py").read_text()


def test_what_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "clipig-glow").mkdir()
    done = clipig(tmp_path, "new-plugin", "glow")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "'clipig-glow' exists already; nothing was written\n")
    assert names(tmp_path / "clipig-glow") == []


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = clipig(tmp_path, "new-plugin", "glow", "-o", "file")
    assert (done.returncode, done.stderr) == (2, "cannot write to 'file/clipig-glow': Not a directory\n")
    assert (tmp_path / "file").read_text() == "mine"
