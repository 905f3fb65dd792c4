from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clipig_core.errors import InputError, RunError
from clipig_core.runner import files
from clipig_core.runner.files import Output, adopt, save


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_directory_takes_the_name_of_the_config(tmp_path: Path) -> None:
    output = Output.claim(f"{tmp_path}/new/", "demo")
    assert output.image == tmp_path / "new" / "demo.png"
    assert output.config == tmp_path / "new" / "demo.yaml"
    output.save(b"picture", b"config")
    assert Output.claim(str(tmp_path / "new"), "demo").image.name == "demo-1.png"


def test_nothing_is_there_before_the_first_save(tmp_path: Path) -> None:
    output = Output.claim(f"{tmp_path}/new/folder/", "demo")
    assert names(tmp_path) == []
    output.save(b"picture", b"config")
    assert names(tmp_path / "new" / "folder") == ["demo.png", "demo.yaml"]


def test_a_file_may_vanish_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exists", lambda _path: True)  # as it was a moment ago
    assert files.replaceable(tmp_path / "gone.yaml")
    assert files.replaceable(tmp_path / "no folder" / "gone.yaml")


def test_a_filename(tmp_path: Path) -> None:
    assert Output.claim(str(tmp_path / "my.picture.png"), "demo").config == tmp_path / "my.picture.yaml"


@pytest.mark.parametrize("taken", ["demo.png", "demo.yaml", "demo.jpg"])
def test_in_a_directory_a_name_is_free_only_if_all_its_files_are(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    output = Output.claim(f"{tmp_path}/", "demo", lambda path: [path.with_suffix(".jpg")])
    assert (output.image.name, output.config.name) == ("demo-1.png", "demo-1.yaml")
    assert (tmp_path / taken).read_text() == "mine"
    assert names(tmp_path) == [taken]


def test_numbers_count_up(tmp_path: Path) -> None:
    claimed = [Output.claim(str(tmp_path), "a") for _ in range(3)]
    assert [output.image.name for output in claimed] == ["a.png", "a-1.png", "a-2.png"]


@pytest.mark.parametrize("kind", ["a file", "a link that leads nowhere"])
def test_a_file_that_is_there_is_refused_and_gets_no_other_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    if kind == "a file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    with pytest.raises(InputError, match=r"a.png' exists, and is not replaced; name another file, or a directory"):
        Output.claim(str(path), "demo")
    assert names(tmp_path) == ["a.png"]


def test_a_file_of_another_output_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("mine")
    with pytest.raises(InputError, match=r"a.jpg' exists"):
        Output.claim(str(tmp_path / "a.png"), "demo", lambda path: [path.with_suffix(".jpg")])


@pytest.mark.parametrize("output", ["new/", "new/a.png"])
def test_a_name_of_another_output_that_is_too_long_is_found_before_the_run(output: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        Output.claim(f"{tmp_path}/{output}", "a", lambda path: [path.with_name(f"{path.name}-{'x' * 260}.csv")])
    assert names(tmp_path) == []


def test_a_config_beside_a_file_changes_neither_its_name_nor_the_config(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine")
    Output.claim(str(tmp_path / "a.png"), "demo").save(b"picture", b"config")
    assert (tmp_path / "a.png").read_bytes() == b"picture"
    assert (tmp_path / "a.yaml").read_text() == "mine"
    assert names(tmp_path) == ["a.png", "a.yaml"]


def test_runs_started_together_get_names_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: Output.claim(f"{tmp_path}/", "demo"), range(40)))
    assert len({output.image for output in claimed}) == 40


@pytest.mark.skipif(sys.platform != "linux", reason="names in the kernel")
def test_a_name_is_taken_until_its_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from clipig_core.runner.files import Output as O; o = O.claim(sys.argv[1], ''); print(); input()"
    )
    file = str(tmp_path / "a.png")
    with subprocess.Popen(
        [sys.executable, "-uc", code, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(InputError, match="another run is about to write"):
            Output.claim(file, "demo")
        process.kill()
    assert names(tmp_path) == []
    output = Output.claim(file, "demo")
    output.release()
    Output.claim(file, "demo")


@pytest.mark.parametrize("output", ["demo", "demo.jpg", "png", ""])
def test_an_output_that_is_neither(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="neither a directory"):
        Output.claim(output, "demo")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "output", ["file/", "file/a.png", "/proc/nowhere/", "new/" + "x" * 300 + ".png", "new/" + "x" * 5000 + "/"]
)
def test_an_output_that_cannot_be_written(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write to"):
        Output.claim(output, "demo")
    assert names(tmp_path) == ["file"]


def test_a_picture_that_has_lost_its_place_goes_to_the_next_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.png").write_text("mine")
    output = Output.claim("gone/", "demo")
    output.save(b"first", b"config")
    for path in (tmp_path / "gone").iterdir():
        path.unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(RunError, match=r"cannot write 'gone/demo\.png': No such file"):
        output.save(b"second", b"config")
    other = output.save_elsewhere(b"second", b"config")
    assert (str(other.image), other.image.read_bytes(), other.config.read_bytes()) == (
        "demo-1.png",
        b"second",
        b"config",
    )
    assert names(tmp_path) == ["demo-1.png", "demo-1.yaml", "demo.png"]


def test_the_places_are_tried_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").touch()
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(files, "_try_out", full_unless(home))
    assert Output(tmp_path / "here" / "demo.png").save_elsewhere(b"a", b"b").image == home / "demo.png"


def full_unless(good: Path) -> object:
    def try_out(path: Path) -> None:
        if path.parent != good:
            raise OSError(errno.ENOSPC, "No space left on device")

    return try_out


def test_save_replaces_whole_files_of_its_own(tmp_path: Path) -> None:
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


def test_files_are_as_private_as_their_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        save(tmp_path / "a.png", b"first")
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", ["before", "replaced", "changed", "linked"])
def test_what_somebody_else_put_there_stays(tmp_path: Path, change: str) -> None:
    path, other = tmp_path / "a.png", tmp_path / "theirs"
    other.write_bytes(b"theirs")
    if change != "before":
        save(path, b"first")
    if change == "changed":
        path.write_bytes(b"theirs")
    elif change == "linked":
        path.unlink()
        path.symlink_to(other)
    else:
        other.replace(path)
    with pytest.raises(RunError, match=r"a\.png': another program's file is there, which is not replaced"):
        save(path, b"second")
    assert path.read_bytes() == b"theirs"
    adopt(path)
    save(path, b"second")
    assert path.read_bytes() == b"second"


def test_what_was_taken_away_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(path, b"first")
    path.unlink()
    save(path, b"second")
    assert path.read_bytes() == b"second"


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: Path, target: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", none)
    for content in (b"first", b"second"):
        save(tmp_path / "a.png", content)
        assert (tmp_path / "a.png").read_bytes() == content
    assert names(tmp_path) == ["a.png"]


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save(path, b"first")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(RunError, match=r"cannot write '.*a\.png': No space left"):
            save(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a.png"]
    save(path, b"third")
    assert path.read_bytes() == b"third"


def test_save_into_a_directory_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        save(tmp_path / "gone" / "a.png", b"x")


SAVING = """
import os, random, sys
from pathlib import Path
os.getpid = lambda: 7
random.seed(7)
from clipig_core.runner.files import save
for number in range(int(sys.argv[3])):
    save(Path(sys.argv[1]), sys.argv[2].encode() * 2000)
"""


@pytest.mark.parametrize("saves", [100, pytest.param(3000, marks=pytest.mark.slow)])
def test_two_processes_that_seem_to_be_the_same_mix_nothing(tmp_path: Path, saves: int) -> None:
    """As runs in containers that share a folder do, which all have the number 1."""
    saving = [
        subprocess.Popen(
            [sys.executable, "-c", SAVING, tmp_path / f"{word}.png", word, str(saves)], stderr=subprocess.PIPE
        )
        for word in "ab"
    ]
    mixed: set[bytes] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            for path in tmp_path.glob("?.png"):
                if path.read_bytes() != path.stem.encode() * 2000:
                    mixed.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    errors = [process.communicate()[1] for process in saving]
    stop.set()
    reader.join()
    assert errors == [b"", b""]
    assert not mixed
    assert names(tmp_path) == ["a.png", "b.png"]
