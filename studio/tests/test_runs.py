"""What becomes of runs: queue, pause, changes, crashes, and the end of the studio."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image
from studio_client import Studio, config, started

from clipig_studio.events import Curve, Moments, encode
from clipig_studio.favourites import Favourites
from clipig_studio.job import FRAMES, Job
from clipig_studio.painter import environment
from clipig_studio.session import Session


def test_a_run_leaves_a_picture_that_can_be_opened_again(studio: Studio) -> None:
    job = studio.run(config("fox", epochs=12))
    done = studio.wait(job, "done")
    assert (done["name"], done["picture"]) == ("fox", "fox.png")
    with Image.open(studio.folder / "fox.png") as image:
        assert image.size == (32, 32)
        inside = image.info["clipig"]
    detail = studio.snapshot()["job"]
    assert detail["step"]["epoch"] == 12
    assert detail["points"][0]["epoch"] == 1
    assert detail["points"][-1]["values"].keys() == {"loss", "target: fox"}
    frame = studio.ask("GET", f"/frame/{detail['frame']}.webp")
    assert frame.body[:4] == b"RIFF"
    [listed] = [one for one in studio.ask("GET", "/pictures").json if one["name"] == "fox"]
    assert studio.ask("GET", f"/picture/{listed['id']}/config").json == {"text": inside}
    assert studio.ask("GET", f"/picture/{listed['id']}/image").body == (studio.folder / "fox.png").read_bytes()
    assert studio.ask("GET", f"/picture/{listed['id']}/thumbnail").body[:4] == b"RIFF"
    again = studio.ask("POST", "/open", body=(studio.folder / "fox.png").read_bytes(), content_type="image/png")
    assert again.json == {"text": inside}


def test_pictures_are_found_by_a_word_of_their_config(studio: Studio) -> None:
    studio.wait(studio.run(config("owl", epochs=2)), "done")
    assert [one["name"] for one in studio.ask("GET", "/pictures?word=OWL").json] == ["owl"]
    assert studio.ask("GET", "/pictures?word=nothing-has-this").json == []


def test_messages_are_those_of_the_command_line_with_their_places(studio: Studio) -> None:
    found = studio.post("/check", text=config("x").replace("noise", "nois") + "epocs: 3\n").json["problems"]
    assert [(one["line"], one["column"]) for one in found] == [(10, 9), (11, 1)]
    assert [one["message"].partition(" (")[2] for one in found] == ["did you mean 'noise'?)", "did you mean 'epochs'?)"]
    assert studio.post("/check", text=config()).json["problems"] == []
    assert studio.post("/check", text="a: [").json["problems"][0]["message"].startswith("not valid YAML")


def test_the_schema_and_the_looks_are_those_that_are_installed(studio: Studio) -> None:
    assert {"targets", "epochs", "look"} <= studio.ask("GET", "/schema").json["properties"].keys()
    templates = studio.ask("GET", "/templates").json
    looks = [one for one in templates if one["group"] == "Looks"]
    assert "object" in [one["name"] for one in looks]
    examples = [one for one in templates if one["group"] == "Examples"]
    assert {"hamburger", "collage"} <= {one["name"] for one in examples}
    for look in [*looks, *examples]:
        assert studio.post("/check", text=look["text"]).json["problems"] == []


def test_three_wait_for_each_other_and_one_is_taken_out(studio: Studio) -> None:
    first, second, third = (studio.run(config("cat", epochs=epochs)) for epochs in (2000, 3, 3))
    studio.until(1)
    assert [one["state"] for one in studio.snapshot()["jobs"][-2:]] == ["waiting", "waiting"]
    studio.post("/control", what="stop", job=second)
    studio.post("/control", what="stop", job=first)
    assert studio.wait(third, "done")["picture"] == "cat-1.png"
    states = {one["id"]: one["state"] for one in studio.snapshot()["jobs"]}
    assert (states[first], states[second]) == ("stopped", "stopped")


def test_two_workers_do_two_runs_at_once_and_either_can_be_watched(tmp_path: Path) -> None:
    with started(tmp_path / "two", "--workers", "2") as studio:
        studio.login()
        texts = [config(name, epochs=100_000) for name in ("cat", "owl", "bee")]
        cat, owl, bee = (studio.run(text) for text in texts)
        studio.wait(cat, "running")
        studio.wait(owl, "running")
        assert studio.wait(bee, "waiting")
        studio.until(3)
        assert studio.snapshot()["job"]["id"] == cat  # another run that begins takes nobody's place
        assert studio.post("/control", what="watch", job=bee).status == 200  # and does nothing, as there is nothing
        studio.post("/control", what="watch", job=owl)
        seen = studio.until(3)
        assert (seen["id"], seen["text"]) == (owl, texts[1])
        assert {tuple(point["values"]) for point in seen["points"]} == {("loss", "target: owl")}
        assert studio.ask("GET", f"/frame/{seen['frame']}.webp").body[:4] == b"RIFF"
        studio.post("/control", what="pause", job=cat)
        studio.wait(cat, "paused")  # and not the one that is watched
        assert len(studio.workers) == 2
        os.kill(busiest(studio.workers), signal.SIGKILL)
        assert "SIGKILL" in studio.wait(owl, "failed")["message"]
        studio.wait(bee, "running")
        studio.wait(cat, "paused")
        assert studio.snapshot()["job"]["id"] == bee
        for job in (cat, bee):
            studio.post("/control", what="stop", job=job)
            assert studio.wait(job, "stopped")["picture"]


def busiest(processes: list[int]) -> int:
    """The process that has just used the most time."""

    def used(process: int) -> int:
        return sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]))

    before = {process: used(process) for process in processes}
    time.sleep(1)
    return max(processes, key=lambda process: used(process) - before[process])


def test_workers_share_gpus_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("clipig_core.machine.cores", lambda: 6)
    assert environment(0, 1, ["0"]) == {}
    assert [environment(number, 3, ["4", "7"])["CUDA_VISIBLE_DEVICES"] for number in range(3)] == ["4", "7", "4"]
    assert environment(1, 2, []) == {"OMP_NUM_THREADS": "3"}
    assert environment(7, 20, [])["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert environment(1, 2, []) == {}


def test_frames_of_a_run_that_nobody_watches_do_not_drive_out_those_of_another(tmp_path: Path) -> None:
    session = Session(tmp_path)
    watched, other = Job(1, "run", "x", ""), Job(2, "run", "y", "")
    session.job, session.jobs = watched, {1: watched, 2: other}
    session.on_step(watched, b"first")
    for _ in range(3 * FRAMES):
        session.on_step(other, b"other")
    assert session.frame(str(watched.frame)) == b"first"
    session.finish(other, "done", "")
    assert session.frame(str(other.frame + 1)) == b""
    third = Job(3, "run", "z", "")
    watched.state = "done"
    session.watch(third)
    assert session.frame(str(watched.frame)) == b"first"  # a page may ask for it when the next run has begun
    session.on_step(third, b"third")
    assert session.frame(str(watched.frame)) == b"third"


def test_pause_one_step_go_on_stop(studio: Studio) -> None:
    job = studio.run(config("dog", epochs=5000))
    studio.until(2)
    studio.post("/control", what="pause", job=job)
    studio.wait(job, "paused")
    epoch = studio.snapshot()["job"]["step"]["epoch"]
    studio.post("/control", what="step", job=job)
    assert studio.until(epoch + 1)["step"]["epoch"] == epoch + 1
    time.sleep(0.3)
    assert studio.snapshot()["job"]["step"]["epoch"] == epoch + 1
    studio.post("/control", what="go", job=job)
    studio.until(epoch + 3)
    studio.post("/control", what="stop", job=job)
    assert studio.wait(job, "stopped")["picture"] == "dog.png"
    assert studio.post("/control", what="go", job=job).json == {"message": "this run is over"}


def test_a_change_goes_on_and_is_undone(studio: Studio) -> None:
    text, other = config("bee", epochs=5000), config("red bee", epochs=6000)
    job = studio.run(text)
    studio.until(2)
    studio.post("/control", what="pause", job=job)
    studio.wait(job, "paused")
    epoch = studio.snapshot()["job"]["step"]["epoch"]
    assert studio.post("/change", text=other, job=job).status == 200
    while not studio.snapshot()["job"]["changes"]:
        time.sleep(0.02)
    changed = studio.snapshot()["job"]
    assert changed["changes"] == [{"epoch": epoch, "before": text, "text": other, "note": ""}]
    assert (changed["text"], changed["undo"]) == (other, 1)
    studio.post("/control", what="step", job=job)
    stepped = studio.until(epoch + 1)
    assert stepped["step"]["epochs"] == 6000
    assert stepped["step"]["values"].keys() == {"loss", "target: red bee"}
    studio.post("/control", what="undo", job=job)
    studio.post("/control", what="step", job=job)
    while studio.snapshot()["job"]["undo"]:
        time.sleep(0.02)
    undone = studio.snapshot()["job"]
    assert undone["text"] == text
    studio.post("/control", what="stop", job=job)
    studio.wait(job, "stopped")
    with Image.open(studio.folder / "bee.png") as image:
        assert f"# until epoch {epoch} with another config than this\n" in image.info["clipig"]


def test_a_change_that_cannot_be_made_is_a_sentence_and_the_run_goes_on(studio: Studio) -> None:
    job = studio.run(config("ant", epochs=5000))
    studio.until(3)
    wrong = studio.post("/change", text=config("ant").replace("noise", "nois"), job=job)
    assert (wrong.status, "did you mean 'noise'?" in wrong.json["message"]) == (422, True)
    assert studio.post("/change", text=config("ant", epochs=1), job=job).status == 200
    epoch = studio.snapshot()["job"]["step"]["epoch"]
    assert not studio.until(epoch + 3)["changes"]
    studio.post("/control", what="stop", job=job)
    studio.wait(job, "stopped")


def test_a_run_that_fails_is_a_message_and_leaves_nothing(studio: Studio) -> None:
    answer = studio.post("/run", text=config("nix").replace("emoji", "/nothing/here.pt"))
    assert answer.status == 422
    job = studio.run("device: cuda:7\n" + config("nix"))
    failed = studio.wait(job, "failed")
    assert "cuda" in failed["message"]
    assert failed["picture"] == ""
    assert not list(studio.folder.glob("nix*"))


def test_a_worker_that_is_killed_is_a_message_and_the_queue_goes_on(tmp_path: Path) -> None:
    with started(tmp_path) as studio:
        studio.login()
        first, second = studio.run(config("fox", epochs=5000)), studio.run(config("cat", epochs=3))
        studio.until(2)
        os.kill(studio.worker, signal.SIGKILL)
        assert "was killed by SIGKILL" in studio.wait(first, "failed")["message"]
        studio.wait(second, "done")
        assert studio.ask("GET", "/").status == 200


def test_ctrl_c_ends_it_and_the_picture_is_there(tmp_path: Path) -> None:
    with started(tmp_path) as studio:
        studio.login()
        studio.run(config("fox", epochs=100_000))
        epoch = studio.until(20)["step"]["epoch"]
        assert studio.end() == 0
        with Image.open(tmp_path / "fox.png") as image:
            made = next(line for line in image.info["clipig"].splitlines() if "epochs" in line)
        assert int(made.split(", ")[1].split()[0]) >= epoch
        assert sorted(path.name for path in tmp_path.iterdir()) == ["fox.checkpoint", "fox.png", "fox.yaml"]


def test_a_run_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    with started(tmp_path) as studio:
        studio.login()
        studio.run(config("fox", epochs=400))
        epoch = studio.until(20)["step"]["epoch"]
        assert studio.end() == 0
    with started(tmp_path) as studio:
        studio.login()
        [listed] = studio.ask("GET", "/pictures").json
        assert (listed["name"], listed["resumable"]) == ("fox", True)
        job = studio.post("/rerun", kind="resume", id=listed["id"]).json["job"]
        assert studio.wait(job, "done")["picture"] == "fox.png"
        detail = studio.snapshot()["job"]
        assert detail["points"][0]["epoch"] > epoch
        assert "text: fox" in detail["text"]
        [listed] = studio.ask("GET", "/pictures").json
        assert not listed["resumable"]
        refused = studio.post("/rerun", kind="resume", id=listed["id"])
        assert (refused.status, refused.json["message"]) == (422, "this run cannot be gone on with")
    with Image.open(tmp_path / "fox.png") as image:
        assert "400 epochs" in image.info["clipig"]
    assert sorted(path.name for path in tmp_path.glob("fox*")) == ["fox.png", "fox.yaml"]


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    with started(tmp_path) as studio:
        studio.login()
        text = config("fox", epochs=400) + "outputs: [checkpoint: {interval: 5}]\nsnapshot_interval: 5\n"
        first = studio.run(text)
        studio.until(30)
        os.kill(studio.worker, signal.SIGKILL)
        studio.wait(first, "failed")
        [listed] = studio.ask("GET", "/pictures").json
        studio.wait(studio.post("/rerun", kind="resume", id=listed["id"]).json["job"], "done")
    with Image.open(tmp_path / "fox.png") as image:
        assert "400 epochs" in image.info["clipig"]


@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff" * 100, (2**60).to_bytes(8, "little")])
def test_a_checkpoint_that_was_tampered_with_is_a_message(studio: Studio, content: bytes) -> None:
    job = studio.run(config("tomato", epochs=2))
    name = studio.wait(job, "done")["picture"]
    path = studio.folder / name
    before = path.read_bytes()
    path.with_suffix(".checkpoint").write_bytes(content)
    [listed] = [one for one in studio.ask("GET", "/pictures").json if one["name"] == path.stem]
    failed = studio.wait(studio.post("/rerun", kind="resume", id=listed["id"]).json["job"], "failed")
    assert "is not a whole checkpoint" in failed["message"]
    assert path.read_bytes() == before
    path.with_suffix(".checkpoint").unlink()


def test_a_film_is_made_of_a_picture(studio: Studio) -> None:
    studio.wait(studio.run(config("crab", epochs=12)), "done")
    [listed] = [one for one in studio.ask("GET", "/pictures").json if one["name"] == "crab"]
    assert not listed["film"]
    assert studio.ask("GET", f"/picture/{listed['id']}/film").status == 404
    job = studio.post("/rerun", kind="film", id=listed["id"]).json["job"]
    assert studio.wait(job, "done")["picture"] == "crab-1.png"
    [again] = [one for one in studio.ask("GET", "/pictures").json if one["name"] == "crab-1"]
    film = studio.ask("GET", f"/picture/{again['id']}/film")
    assert (film.status, film.headers["content-type"]) == (200, "image/webp")
    with Image.open(io.BytesIO(film.body)) as moving, Image.open(studio.folder / "crab.png") as one:
        assert getattr(moving, "n_frames", 1) == 13
        with Image.open(studio.folder / "crab-1.png") as other:
            assert one.tobytes() == other.tobytes()


def test_favourites_survive_the_studio(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (2, 2)).save(tmp_path / f"{name}.png")
    with started(tmp_path) as studio:
        studio.login()
        keys = {one["name"]: one["id"] for one in studio.ask("GET", "/pictures").json}
        assert studio.post("/favourite", id=keys["b"], favourite=True).status == 200
        assert [one["name"] for one in studio.ask("GET", "/pictures?favourites").json] == ["b"]
        assert studio.post("/favourite", id="nothing", favourite=True).status == 404
        assert studio.end() == 0
    with started(tmp_path) as studio:
        studio.login()
        assert [one["name"] for one in studio.ask("GET", "/pictures?favourites").json] == ["b"]
        studio.post("/favourite", id=keys["b"], favourite=False)
        assert studio.ask("GET", "/pictures?favourites").json == []


@pytest.mark.parametrize("content", [b"", b"{", b"3", b'[["x"], {}]', b"[" * 100_000, b'"a"', b"\xff", b"[1e999]"])
def test_favourites_that_were_tampered_with_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".favourites.json").write_bytes(content)
    favourites = Favourites(tmp_path)
    favourites.mark("fox.png", wanted=True)
    assert "fox.png" in Favourites(tmp_path).names


def test_favourites_do_not_follow_a_link(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('["x"]')
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / ".favourites.json").symlink_to(secret)
    favourites = Favourites(folder)
    assert favourites.names == set()
    favourites.mark("fox.png", wanted=True)
    assert secret.read_text() == '["x"]'


def test_two_pictures_are_compared_by_what_their_configs_mean(studio: Studio) -> None:
    for text in (config("kiwi", epochs=2), config("kiwi", epochs=3) + "learnrate: 1.0\n"):
        studio.wait(studio.run(text), "done")
    one, other = (
        next(each["id"] for each in studio.ask("GET", "/pictures").json if each["name"] == name)
        for name in ("kiwi", "kiwi-1")
    )
    found = studio.ask("GET", f"/compare/{one}/{other}").json["differences"]
    assert found == [{"path": "epochs", "before": "2", "after": "3"}]
    assert studio.ask("GET", f"/compare/{one}/{one}").json == {"differences": []}
    assert studio.ask("GET", f"/compare/{one}/nothing").status == 404


def test_earlier_pictures_stay_and_are_few(studio: Studio) -> None:
    job = studio.run(config("toad", epochs=100_000))
    studio.until(200)
    detail = studio.snapshot()["job"]
    assert detail["moments"][0]["epoch"] == 1
    first = studio.ask("GET", f"/frame/{detail['moments'][0]['frame']}.webp")
    newest = studio.ask("GET", f"/frame/{detail['frame']}.webp")
    assert first.body[:4] == newest.body[:4] == b"RIFF"
    assert first.body != newest.body
    studio.post("/control", what="stop", job=job)
    studio.wait(job, "stopped")
    moments = Moments(most=10)
    for epoch in range(1, 1000):
        moments.add(epoch, str(epoch), b"")
    epochs = [one["epoch"] for one in moments.told()]
    assert epochs[0] == 1
    assert len(epochs) <= 10
    assert {later - sooner for sooner, later in itertools.pairwise(epochs)} == {moments.stride}


def test_what_waits_survives_the_studio(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    with started(folder) as studio:
        studio.login()
        for word in ("fox", "cat", "dog"):
            studio.run(config(word, epochs=100_000 if word == "fox" else 2))
        studio.until(1)
        assert studio.end() == 0
    with started(folder) as studio:
        studio.login()
        assert [job["name"] for job in studio.snapshot()["jobs"]] == ["cat", "dog"]
        studio.wait(2, "done")
        assert studio.end() == 0
    assert sorted(path.name for path in folder.glob("*.png")) == ["cat.png", "dog.png", "fox.png"]
    assert not list(tmp_path.glob(".cache/clipig-studio/*"))


def test_a_server_that_is_killed_leaves_the_picture(tmp_path: Path) -> None:
    with started(tmp_path) as studio:
        studio.login()
        studio.run(config("fox", epochs=100_000))
        studio.until(20)
        worker = studio.worker
        os.kill(studio.process.pid, signal.SIGKILL)
        for _ in range(600):
            if not Path(f"/proc/{worker}").exists():
                break
            time.sleep(0.1)
        assert not Path(f"/proc/{worker}").exists()
        with Image.open(tmp_path / "fox.png") as image:
            assert "100000 epochs" in image.info["clipig"]


def test_ten_pages_get_the_same_from_one_run(studio: Studio) -> None:
    assert [studio.snapshot()["folder"] for _ in range(10)] == [studio.folder.name] * 10


def test_a_link_in_the_folder_is_no_picture(studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "secret.png")
    (studio.folder / "link.png").symlink_to(tmp_path / "secret.png")
    (studio.folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    assert not {"link", "broken"} & {one["name"] for one in studio.ask("GET", "/pictures").json}


def test_numbers_that_are_not_finite_reach_pages_as_none(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.job = session.jobs[1] = Job(1, "run", "x", "")
    values = {"loss": float("nan"), "x": float("inf"), "y": 1.0}
    session.on_step(session.job, b"", values, epoch=1)
    encode("snapshot", session.snapshot())
    assert session.job.step["values"] == {"loss": None, "x": None, "y": 1.0}


@pytest.mark.parametrize("port", ["-1", "70000", "x"])
def test_a_wrong_port_is_refused(port: str) -> None:
    from click.testing import CliRunner

    from clipig_studio.command import studio as command

    assert CliRunner().invoke(command, ["--port", port]).exit_code == 2


def test_a_port_that_is_taken_is_a_sentence(studio: Studio, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from clipig_core import RunError
    from clipig_studio.command import studio as command

    before = os.getcwd()  # noqa: PTH109
    result = CliRunner().invoke(command, ["--port", str(studio.port), "--no-open", str(tmp_path)])
    os.chdir(before)
    assert isinstance(result.exception, RunError)
    assert "the studio cannot start: Address already in use" in str(result.exception)


def test_events_and_curves_stay_small() -> None:
    curve = Curve(most=100)
    for epoch in range(10_000):
        curve.add(epoch, {"loss": float(epoch)})
    epochs = [point["epoch"] for point in curve.points]
    assert len(epochs) <= 100
    assert {later - sooner for sooner, later in itertools.pairwise(epochs)} == {curve.stride}
    assert json.loads(encode("step", {"a": "x\ny"}).split(b"data: ")[1]) == {"a": "x\ny"}
