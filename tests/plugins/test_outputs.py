"""What outputs write: it is read back with what people would read it with."""

from __future__ import annotations

import contextlib
import csv
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clipig
from clipig_core import testing
from clipig_core.embedded import embedded
from clipig_core.errors import InputError, RunError
from clipig_core.runner.outputs import outputs
from tests.plugins.components import REGISTRY, find

needs_av = pytest.mark.skipif(find_spec("av") is None, reason="needs PyAV")
STREAMS = [pytest.param(kind, marks=needs_av) for kind in ("mp4", "webm")]
FORMATS = ["webp", "gif", "avif", *STREAMS]

CONFIG = {
    "resolution": [33, 21],
    "epochs": 8,
    "seed": 1,
    "init": {"resolution": [4, 3], "std": 0.2},
    "targets": [{"name": "calm", "constraints": [{"blur": {"weight": 2}}, "mean"]}],
}

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "avif": [{}, {"quality": 100}],
    "frames": [{}, {"every": 1, "format": "webp"}, {"every": 0.01}],
    "jpeg": [{}, {"quality": 100, "every": 1}],
    "log": [{}, {"format": "jsonl", "every": 3}],
    "preview": [{}],
    "plot": [{}, {"size": (200, 300)}],
    "sheet": [{}, {"moments": 2, "columns": 5, "format": "jpg"}],
    **({"tensorboard": [{}, {"every": 2, "pictures": 2}]} if find_spec("tensorboard") else {}),
    "video": [{"format": name, "pingpong": name != "gif"} for name in ("webp", "gif", "avif")],
    "webp": [{}, {"every": 0.5}],
}


def make(folder: Path, *listed: Any, **more: Any) -> clipig.Result:
    """A run with these outputs; what they write is called `demo`. What fails in one is raised."""
    config = clipig.read(CONFIG | more, {"outputs": [*listed]})
    result = clipig.execute(clipig.Run(config), outputs(config, folder / "demo"))
    for failure in result.failures:
        raise failure
    return result


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image.convert("RGB")).astype(int)


def expected(result: clipig.Result) -> np.ndarray[Any, Any]:
    return (result.image[0].permute(1, 2, 0) * 255).round().int().numpy()


CASES = [pytest.param(name, given, id=f"{name}-{given}") for name, cases in EXAMPLES.items() for given in cases]
CASES += [pytest.param("video", {"format": kind}, marks=needs_av) for kind in ("mp4", "webm")]


@pytest.mark.parametrize(("name", "given"), CASES)
def test_contract(name: str, given: dict[str, Any]) -> None:
    testing.check_output(find("output", name).function, **given)


def test_every_output_has_its_cases() -> None:
    (plugin,) = [plugin for plugin in REGISTRY.plugins if plugin.key == "clipig/outputs"]
    names = {component.alias_of or component.name for component in plugin.components}
    assert {*EXAMPLES, "tensorboard"} == names


# Pictures


@pytest.mark.parametrize(("name", "suffix", "off"), [("jpeg", "jpg", 4), ("webp", "webp", 4), ("avif", "avif", 4)])
def test_a_picture_is_the_result_and_holds_its_config(name: str, suffix: str, off: float, tmp_path: Path) -> None:
    result = make(tmp_path, {name: 95}, vars={"word": "Käfer ☂"})
    file = tmp_path / f"demo.{suffix}"
    with Image.open(file) as image:
        assert np.abs(pixels(image) - expected(result)).mean() < off
    config = clipig.read(file)
    assert (config.seed, config.settings.fixed.epochs) == (1, 8)
    assert "8 of 8 epochs" in (embedded(file) or "")


def test_quality_decides_about_size(tmp_path: Path) -> None:
    for name in ("jpeg", "webp", "avif"):
        make(tmp_path, {name: {"quality": 10, "name": "small"}}, {name: 100}, resolution=64, init={"resolution": 64})
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert all(2 * sizes[f"demo-small.{end}"] < sizes[f"demo.{end}"] for end in ("jpg", "webp", "avif"))


def test_a_config_that_is_too_long_for_a_jpeg_stays_outside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, "jpeg", "webp", targets=[{"name": "x" * 70_000, "constraints": ["blur"]}])
    assert embedded(tmp_path / "demo.jpg") is None
    assert embedded(tmp_path / "demo.webp")
    assert "too many for a JPEG" in caplog.text


def test_without_metadata_nothing_holds_the_config(tmp_path: Path) -> None:
    make(
        tmp_path,
        "jpeg",
        "webp",
        "avif",
        *({"video": {"format": kind, "name": "film"}} for kind in ("webp", "gif", "avif")),
        metadata=False,
    )
    files = [path for path in tmp_path.iterdir() if path.suffix != ".yaml"]
    assert len(files) == 6
    for path in files:
        assert embedded(path) is None


def test_pictures_of_others_hold_no_config(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0epochs: 3"
    for name in ("a.jpg", "a.webp", "a.avif", "a.gif"):
        Image.new("RGB", (4, 4)).save(tmp_path / name, exif=exif, comment=b"epochs: 3")
        with pytest.raises(InputError, match="holds no config"):
            clipig.read(tmp_path / name)


def test_a_format_that_pillow_lacks_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "AVIF")
    monkeypatch.delitem(Image.SAVE_ALL, "AVIF")
    for listed in ("avif", {"video": "avif"}, {"frames": {"format": "avif"}}):
        with pytest.raises(InputError, match=r"Pillow (cannot write|writes no) avif"):
            make(tmp_path, listed)
    assert names(tmp_path) == []


# Frames


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({"every": 3}, [1, 3, 6, 8]),
        ({"every": 1, "when": "epoch < 2 or epoch % 4 == 0"}, [1, 2, 5, 8]),
        ({"every": 1, "when": "t > .9"}, [8]),
        ({"every": 1, "when": "change > 1"}, [8]),
        ({"every": 1, "when": "loss < 0"}, [8]),
    ],
)
def test_frames_are_numbered_by_epochs(given: dict[str, Any], numbers: list[int], tmp_path: Path) -> None:
    result = make(tmp_path, {"frames": given})
    assert names(tmp_path / "demo-frames") == [f"{number}.png" for number in numbers]
    with Image.open(tmp_path / "demo-frames" / "8.png") as image:
        assert (pixels(image) == expected(result)).all()


def test_frames_are_denser_where_the_picture_changes(tmp_path: Path) -> None:
    changing = {"learnrate_scale": "4 if t < .25 else .05", "epochs": 40}
    make(tmp_path, {"frames": {"every": 1, "when": "change > .02"}}, **changing)
    numbers = [int(name.split(".")[0]) for name in names(tmp_path / "demo-frames")]
    early = [number for number in numbers if number <= 10]
    assert len(early) > len(numbers) / 2
    assert 2 < len(numbers) < 30


def test_an_expression_that_has_no_value_ends_the_output_not_the_run(tmp_path: Path) -> None:
    config = clipig.read(CONFIG, {"outputs": [{"frames": {"every": 1, "when": "1 / (epoch - 3) < 9"}}]})
    result = clipig.execute(clipig.Run(config), outputs(config, tmp_path / "demo"))
    assert result.run.complete
    (failure,) = result.failures
    assert isinstance(failure, RunError)
    assert "outputs[0].frames.when: " in str(failure)
    assert "division by zero in epoch 3" in str(failure)


# Videos


def film(path: Path) -> tuple[list[np.ndarray[Any, Any]], list[float], float]:
    """Frames [H, W, 3], the seconds from which on each is shown, and the second in which the film ends."""
    frames, starts, now = [], [], 0.0
    if path.suffix in (".mp4", ".webm"):
        import av

        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            with contextlib.suppress(av.error.InvalidDataError):  # a last packet that was cut; players go on, too
                for frame in container.decode(stream):
                    frames.append(frame.to_ndarray(format="rgb24").astype(int))
                    starts.append(float(frame.time))
            end = float(container.duration or 0) / 1e6
        return frames, starts, end
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(pixels(image))
            starts.append(now)
            now += float(image.info["duration"]) / 1000
    return frames, starts, now


TOLERANCE = {"gif": 16, "webp": 9, "avif": 9, "mp4": 9, "webm": 9}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_video_shows_the_way_from_the_first_pixels_to_the_result(kind: str, tmp_path: Path) -> None:
    config = clipig.read(CONFIG, init={"mean": [0.9, 0.2, 0.1], "std": 0.02})
    first = clipig.Run(config).image[0].mean((1, 2)).numpy() * 255
    given = {"format": kind, "every": 1, "fps": 10, "hold": 0.5}
    result = make(tmp_path, {"video": given}, init={"mean": [0.9, 0.2, 0.1], "std": 0.02})
    frames, starts, end = film(tmp_path / f"demo.{kind}")
    even = kind in ("mp4", "webm")
    assert frames[0].shape == ((22, 34, 3) if even else (21, 33, 3))
    assert starts[:9] == pytest.approx([number / 10 for number in range(9)], abs=0.011)
    assert end == pytest.approx(1.4, abs=0.03)
    # The colours of a plain picture are those of the video: nothing is lost between matrices and ranges.
    assert np.abs(frames[0].mean((0, 1)) - first).max() < 4
    assert np.abs(frames[-1][:21, :33] - expected(result)).mean() < TOLERANCE[kind]


@pytest.mark.parametrize("kind", ["webp", "gif", "avif"])
def test_a_video_holds_its_config(kind: str, tmp_path: Path) -> None:
    make(tmp_path, {"video": kind})
    assert clipig.read(tmp_path / f"demo.{kind}").seed == 1


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_says_its_colors_and_its_config(kind: str, tmp_path: Path) -> None:
    import av

    make(tmp_path, {"video": kind})
    with av.open(str(tmp_path / f"demo.{kind}")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        about = {key.lower(): value for key, value in container.streams.video[0].container.metadata.items()}
    assert "seed: 1" in about["comment"]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("seconds", "epochs"), [(1, 4), (1, 60)])
def test_a_video_lasts_as_long_as_wanted(kind: str, seconds: int, epochs: int, tmp_path: Path) -> None:
    make(tmp_path, {"video": {"format": kind, "seconds": seconds, "fps": 10, "hold": 0.3}}, epochs=epochs)
    frames, _, end = film(tmp_path / f"demo.{kind}")
    assert end == pytest.approx(1.3, abs=0.03)
    assert len(frames) <= 12


@pytest.mark.parametrize("kind", FORMATS)
def test_a_video_can_go_back(kind: str, tmp_path: Path) -> None:
    given = {"format": kind, "every": 1, "fps": 10, "hold": 0, "pingpong": True}
    bluer = [{"constraints": [{"color": {"color": [0, 0, 1]}}]}]
    make(tmp_path, {"video": given}, targets=bluer, init={"mean": 0.9, "std": 0.01}, learnrate=8)
    frames, starts, end = film(tmp_path / f"demo.{kind}")
    assert end == pytest.approx(1.6, abs=0.03)  # nine frames, and seven on the way back
    shown = [frames[max(i for i, start in enumerate(starts) if start <= now + 0.02)] for now in np.arange(16) / 10]
    for number in range(1, 8):
        assert np.abs(shown[number] - shown[16 - number]).mean() < 6
    assert np.abs(shown[1] - shown[8]).mean() > 6


@pytest.mark.parametrize("kind", FORMATS)
def test_a_resolution_that_changes_keeps_one_size(kind: str, tmp_path: Path) -> None:
    growing = "[10, 10] if t < .5 else [40, 20]"
    make(tmp_path, {"video": {"format": kind, "every": 1}}, resolution=growing, init={"mean": 0.9, "std": 0.01})
    frames, _, _ = film(tmp_path / f"demo.{kind}")
    assert {frame.shape for frame in frames} == {(20, 40, 3)}
    assert frames[0][:, :8].mean() < 20  # beside a square there is black
    assert frames[0][:, 14:26].mean() > 200


def test_a_size_of_its_own(tmp_path: Path) -> None:
    make(tmp_path, {"video": {"size": [16, 10]}})
    assert film(tmp_path / "demo.webp")[0][0].shape == (10, 16, 3)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"fps": 0}, "0 is "),
        ({"format": "gif", "every": 1, "fps": 0.0001}, "0.0001 is "),
        ({"seconds": 1e30}, "1e[+]30 is "),
        ({"format": "mpg"}, "'mpg' is unknown"),
        ({"format": "gif", "fps": 60}, "at most 50 frames a second"),
        ({"seconds": 3, "every": 2}, "either 'seconds' or 'every'"),
        ({"seconds": 0}, "0 is not above 0"),
    ],
)
def test_what_is_no_video_is_refused(given: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        make(tmp_path, {"video": given})


def test_a_frame_of_a_gif_is_not_shown_longer_than_it_can_say(tmp_path: Path) -> None:
    make(tmp_path, {"video": {"format": "gif", "seconds": 3600}}, epochs=2)
    assert film(tmp_path / "demo.gif")[1][1] == 655.35


def test_without_pyav_mp4_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"mp4 needs PyAV: pip install 'clipig\[video\]'"):
        make(tmp_path, {"video": "mp4"})
    make(tmp_path, {"video": "webp"})


@needs_av
def test_without_an_encoder_webm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clipig_outputs import films

    monkeypatch.setitem(films.CODECS, "webm", {"libnone": lambda _: {}})
    with pytest.raises(InputError, match="has none of the encoders libnone"):
        make(tmp_path, {"video": "webm"})


def test_a_run_that_is_resumed_loses_nothing_of_before(tmp_path: Path) -> None:
    listed = [{"video": {"every": 1}}, "log", {"frames": 2}]
    plan = clipig.read(CONFIG, outputs=listed)
    before = clipig.Run(plan)
    clipig.execute(before, outputs(plan, tmp_path / "demo"), iter([False, False, True]).__next__)
    first = (tmp_path / "demo.webp").read_bytes()
    after = clipig.Run(plan)
    after.load_state_dict(before.state_dict())
    result = clipig.execute(after, outputs(plan, tmp_path / "demo"))
    assert result.failures == []
    assert names(tmp_path) == ["demo-frames", "demo-from3.webp", "demo.csv", "demo.webp"]
    assert (tmp_path / "demo.webp").read_bytes() == first
    with (tmp_path / "demo.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file) if row["kind"] == "run"] == [*"01234567"]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_video_of_a_resumed_run_takes_a_free_name(kind: str, tmp_path: Path) -> None:
    """What has the usual name is somebody else's, or that of an earlier attempt, which was killed."""
    plan = clipig.read(CONFIG, outputs=[{"video": {"format": kind, "every": 1}}])
    before = clipig.Run(plan)
    clipig.execute(before, stop=iter([False, False, True]).__next__)
    mine = [tmp_path / f"demo{middle}.{kind}" for middle in ("", "-from3", "-from3-1")]
    for file in mine:
        file.write_text("MINE")
    after = clipig.Run(plan)
    after.load_state_dict(before.state_dict())
    assert clipig.execute(after, outputs(plan, tmp_path / "demo")).failures == []
    assert [file.read_text() for file in mine] == ["MINE"] * 3
    assert len(film(tmp_path / f"demo-from3-2.{kind}")[0]) > 1


@pytest.mark.parametrize("kind", ["webp", "gif", *STREAMS])
def test_a_disk_that_fills_leaves_a_film_that_plays(kind: str, tmp_path: Path) -> None:
    given = {"format": kind, "every": 1, "fps": 3, "quality": 100}
    config = clipig.read(CONFIG, outputs=[{"video": given}], resolution=64, epochs=60, init={"resolution": 64})
    with limited(file_size=15_000 if kind == "webm" else 40_000):
        result = clipig.execute(clipig.Run(config), outputs(config, tmp_path / "demo"))
    assert result.run.complete
    (failure,) = result.failures
    assert isinstance(failure, RunError)
    assert f"demo.{kind}' ends early: File too large" in str(failure)
    frames, starts, _ = film(tmp_path / f"demo.{kind}")
    assert 2 <= len(frames) < 60
    assert starts == sorted(starts)
    assert names(tmp_path) == [f"demo.{kind}"]


@contextmanager
def limited(file_size: int) -> Iterator[None]:
    """Files can have so many bytes, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


ENDLESS = """
import sys, clipig
from pathlib import Path
from clipig_core.runner.outputs import outputs
videos = [{"video": {"format": name, "every": 1, "fps": 10}} for name in ("webp", "gif", "mp4", "webm")]
targets = [{"constraints": ["blur"]}]
config = clipig.read({"resolution": 64, "epochs": 100_000, "targets": targets, "outputs": videos})
clipig.execute(clipig.Run(config), outputs(config, Path("demo")))
"""


@needs_av
def test_a_run_that_is_killed_leaves_films_that_play(tmp_path: Path) -> None:
    files = [tmp_path / f"demo.{kind}" for kind in ("webp", "gif", "mp4", "webm")]
    with subprocess.Popen([sys.executable, "-c", ENDLESS], cwd=tmp_path) as process:
        deadline = time.monotonic() + 120
        while not all(file.exists() and file.stat().st_size > 25_000 for file in files):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    for file in files:
        frames, starts, _ = film(file)
        assert len(frames) >= 5
        assert starts == sorted(starts)
    assert names(tmp_path) == sorted(file.name for file in files)


@needs_av
def test_a_film_needs_no_memory_for_its_frames(tmp_path: Path) -> None:
    """Eighty frames of 750 kB: they are not kept, neither by a film nor by its spool."""
    code = f"""
import resource
from pathlib import Path
import numpy as np
from PIL import Image
from clipig_outputs.films import Spool, open_film
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def frame(number):
    return Image.fromarray(np.full((500, 500, 3), number, dtype=np.uint8))
for name in ("webp", "gif", "mp4", "webm", "avif"):
    film = open_film(Path({str(tmp_path)!r}) / f"demo.{{name}}", (500, 500), 10, 80, "")
    for number in range(25):
        film.add(frame(number), number / 10)
    before = peak()
    for number in range(25, 105):
        film.add(frame(number), number / 10)
    assert peak() - before < 30, (name, before, peak())
    if name != "avif":
        film.end(11)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Tables and pictures of numbers


def test_a_log_has_a_row_for_each_part_and_epoch(tmp_path: Path) -> None:
    result = make(tmp_path, "log", {"log": "jsonl"})
    with (tmp_path / "demo.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "demo.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows] == ["", "blur", "mean"] * 8
    assert [line["epoch"] for line in lines] == [*range(8)]
    assert float(rows[-3]["loss"]) == pytest.approx(result.loss)
    blurs = [float(row["loss"]) for row in rows if row["name"] == "blur"]
    (about,) = [row for row in result.statistics if row.name == "blur"]
    assert sum(blurs) / len(blurs) == pytest.approx(about.loss, rel=1e-4)
    part = lines[-1]["targets"][0]["parts"][0]
    assert (part["kind"], part["name"], part["weight"], part["count"]) == ("constraint", "blur", 2, 1)
    assert lines[-1]["resolution"] == [33, 21]


def test_tensorboard_reads_numbers_and_pictures(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result = make(tmp_path, {"tensorboard": {"pictures": 4}})
    events = accumulator.EventAccumulator(str(tmp_path / "demo-tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [*range(8)]
    assert events.Scalars("loss")[-1].value == pytest.approx(result.loss)
    assert events.Scalars("weight/calm/constraint blur")[0].value == 2
    assert [event.step for event in events.Images("picture")] == [0, 3, 7, 8]


def test_a_log_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    config = clipig.read(CONFIG, outputs=["log"])
    (log,) = outputs(config, tmp_path / "demo")
    run = clipig.Run(config)
    log.begin(run)
    log.step(run.step())
    deadline = time.monotonic() + 30
    while not (tmp_path / "demo.csv").exists() or len((tmp_path / "demo.csv").read_text().splitlines()) < 4:
        assert time.monotonic() < deadline
    log.end(clipig.Result(run.image, run))


def _epochs(file: Path) -> list[int]:
    if file.suffix == ".jsonl":
        return [json.loads(line)["epoch"] for line in file.read_text().splitlines()]
    with file.open(newline="") as stream:
        return [int(row["epoch"]) for row in csv.DictReader(stream) if row["kind"] == "run"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("torn", [0, 1, 40])
def test_a_log_of_a_run_that_was_killed_has_each_epoch_once(kind: str, torn: int, tmp_path: Path) -> None:
    """The log was ahead of the checkpoint, and its last line was cut off wherever that may be."""
    targets = [{"name": 'two\nlines, "ü"', "constraints": ["blur"]}]
    plan = clipig.read(CONFIG | {"targets": targets}, outputs=[{"log": kind}])
    run, file = clipig.Run(plan), tmp_path / f"demo.{kind}"
    state: dict[str, Any] = {}

    def keep(_step: Any) -> None:
        if run.done == 3:
            state.update(run.state_dict())

    clipig.execute(run, outputs(plan, tmp_path / "demo"), lambda: run.done == 6, keep)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - torn])
    again = clipig.Run(plan)
    again.load_state_dict(state)
    assert clipig.execute(again, outputs(plan, tmp_path / "demo")).failures == []
    assert _epochs(file) == [*range(8)]


@pytest.mark.parametrize(("output", "file"), [("log", "demo.csv"), ({"frames": 1}, "demo-frames/1.png")])
def test_a_disk_that_is_full_is_said_and_leaves_no_empty_file(output: Any, file: str, tmp_path: Path) -> None:
    with limited(file_size=0), pytest.raises(RunError, match=rf"cannot write '.*{file}': File too large"):
        make(tmp_path, output)
    assert names(tmp_path) == []


def test_a_log_is_not_added_to_somebody_elses_file(tmp_path: Path) -> None:
    (tmp_path / "demo.csv").write_text("MINE")
    with pytest.raises(RunError, match=r"demo\.csv': File exists"):
        make(tmp_path, "log")
    assert (tmp_path / "demo.csv").read_text() == "MINE"


def test_a_sheet_has_the_first_pixels_and_the_result(tmp_path: Path) -> None:
    result = make(tmp_path, {"sheet": {"moments": 4, "columns": 2, "size": 33}})
    with Image.open(tmp_path / "demo-sheet.png") as image:
        sheet = pixels(image)
    first = clipig.Run(clipig.read(CONFIG)).image
    for place, picture in ((0, first), (3, result.image)):
        wanted = (picture[0].permute(1, 2, 0) * 255).round().int().numpy()
        step = (sheet.shape[0] - 8) // 2
        x, y = 8 + place % 2 * 41, 8 + place // 2 * step + 6
        assert np.abs(sheet[y : y + 21, x : x + 33] - wanted).mean() < 2


def test_a_plot_falls_where_the_loss_falls(tmp_path: Path) -> None:
    make(tmp_path, {"plot": (600, 300)}, targets=[{"constraints": ["blur"]}], epochs=30)
    with Image.open(tmp_path / "demo-plot.png") as image:
        assert image.size == (600, 300)
        red = (np.abs(pixels(image) - (0xD5, 0x5E, 0)).sum(2) < 60)[:, :400]
    rows = [np.flatnonzero(column).mean() for column in red.T if column.any()]
    assert len(rows) > 250
    assert rows[0] < rows[len(rows) // 2] < rows[-1]


# Names


@pytest.mark.parametrize(
    ("listed", "file", "other"),
    [
        (["webp", "video"], "demo.webp", "webp"),
        (["jpeg", {"jpg": 10}], "demo.jpg", "jpeg"),
        ([{"log": {"name": "a"}}, {"log": {"name": "a", "every": 5}}], "demo-a.csv", "log"),
    ],
)
def test_two_outputs_do_not_write_one_file(listed: list[Any], file: str, other: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"would write '{file}', as the output '{other}' does .*name: second"):
        make(tmp_path, *listed)


@pytest.mark.parametrize("name", [" ", "a/b", "a\\b", "a\0", "a\7b", "a\nb", "\u202e"])
def test_a_name_that_nobody_can_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name: .* is no part of the name of a file"):
        make(tmp_path, {"log": {"name": name}})


def test_outputs_with_names_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, "webp", {"video": {"name": "way"}}, {"video": {"name": "slow", "fps": 2}})
    assert names(tmp_path) == ["demo-slow.webp", "demo-way.webp", "demo.webp"]
