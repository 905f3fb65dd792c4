from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clipig_core.errors import InputError, RunError
from clipig_core.runner.files import Output, save


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_directory_takes_the_name_of_the_config(tmp_path: Path) -> None:
    output = Output.claim(f"{tmp_path}/new/", "demo")
    assert output.image == tmp_path / "new" / "demo.png"
    assert output.config == tmp_path / "new" / "demo.yaml"
    assert Output.claim(str(tmp_path / "new"), "demo").image.name == "demo-1.png"


def test_a_filename(tmp_path: Path) -> None:
    assert Output.claim(str(tmp_path / "my.picture.png"), "demo").config == tmp_path / "my.picture.yaml"


@pytest.mark.parametrize("taken", ["demo.png", "demo.yaml"])
def test_a_name_is_free_only_if_both_files_are(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    output = Output.claim(f"{tmp_path}/", "demo")
    assert (output.image.name, output.config.name) == ("demo-1.png", "demo-1.yaml")
    assert (tmp_path / taken).read_text() == "mine"
    assert names(tmp_path) == sorted([taken, "demo-1.png", "demo-1.yaml"])


def test_numbers_count_up(tmp_path: Path) -> None:
    claimed = [Output.claim(str(tmp_path / "a.png"), "x").image.name for _ in range(3)]
    assert claimed == ["a.png", "a-1.png", "a-2.png"]


def test_runs_started_together_get_names_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: Output.claim(f"{tmp_path}/", "demo").image, range(40)))
    assert len(set(claimed)) == 40


def test_release_gives_up_only_what_was_never_written(tmp_path: Path) -> None:
    unused, used = Output.claim(f"{tmp_path}/", "a"), Output.claim(f"{tmp_path}/", "b")
    save(used.image, b"picture")
    unused.release()
    used.release()
    used.release()
    assert names(tmp_path) == ["b.png"]


@pytest.mark.parametrize("output", ["demo", "demo.jpg", "png", ""])
def test_an_output_that_is_neither(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="neither a directory"):
        Output.claim(output, "demo")
    assert names(tmp_path) == []


@pytest.mark.parametrize("output", ["file/", "file/a.png", "/proc/nowhere/", "x" * 300 + ".png", "x" * 5000 + "/"])
def test_an_output_that_cannot_be_written(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to"):
        Output.claim(output, "demo")
    assert names(tmp_path) == ["file"]


def test_save_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(path, b"first")
    path.chmod(0o600)
    reader = path.open("rb")
    save(path, b"second")
    with reader:
        assert reader.read() == b"first"
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["a.png"]


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save(path, b"first")

    def full(self: Path, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RunError, match=r"cannot write '.*a\.png': No space left"):
        save(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a.png"]


def test_save_into_a_directory_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        save(tmp_path / "gone" / "a.png", b"x")
