"""Who is refused: everything that is not the studio's own page, sent over a raw socket."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from studio_client import Studio, config, started

from clipig_studio import server
from clipig_studio.queue import Queue

EVIL = "http://evil.example"


def test_without_the_token_nothing_is_shown(studio: Studio) -> None:
    for path in ("/", "/events", "/static/app.js", "/pictures", "/schema", "/frame/1.webp", "/nothing"):
        answer = studio.ask("GET", path, cookie=None)
        assert (answer.status, b"Open the address" in answer.body) == (401, True)
    assert studio.ask("POST", "/run", body=b"{}", cookie=None).status == 401


@pytest.mark.parametrize(
    "cookie",
    [
        "clipig-studio=x",
        "clipig-studio-{port}=",
        "clipig-studio-{port}=x",
        "clipig-studio-{port}=\xff",
        "clipig-studio-1={session}",
        "{token}",
        "a=b; ;;=; \x01",
    ],
)
def test_a_wrong_cookie_is_no_token(studio: Studio, cookie: str) -> None:
    session = studio.cookie.partition("=")[2]
    given = cookie.format(port=studio.port, session=session, token=session)
    assert studio.ask("GET", "/", cookie=given).status in (400, 401)


def test_the_token_of_the_address_works_once(tmp_path: Path) -> None:
    with started(tmp_path) as studio:
        token = studio.url.partition("=")[2]
        assert studio.ask("GET", f"/events?token={token}").status == 401
        assert studio.ask("POST", f"/?token={token}", body=b"{}").status == 401
        assert studio.ask("GET", f"/?token={token[:-1]}").status == 401
        studio.login()
        assert studio.ask("GET", f"/?token={token}", cookie=None).status == 401
        page = studio.ask("GET", "/")
        assert page.status == 200
        assert token.encode() not in page.body


def test_the_cookie_is_for_this_port_alone_and_not_for_scripts(tmp_path: Path) -> None:
    with started(tmp_path) as studio:
        answer = studio.ask("GET", f"/?{studio.url.partition('?')[2]}")
        assert b'url=/"' in answer.body
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"clipig-studio-{studio.port}=")
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.evil", ""]
)
def test_another_name_is_refused_though_the_origin_is_the_same(studio: Studio, host: str) -> None:
    given = host.format(port=studio.port)
    assert studio.ask("GET", "/", host=given).status in (400, 421)
    assert studio.ask("POST", "/run", body=b"{}", host=given, origin=f"http://{given}").status in (400, 421)


def test_a_request_has_one_host(studio: Studio) -> None:
    assert studio.ask("GET", "/", host=None).status in (400, 421)
    assert studio.ask("GET", "/", host=[studio.host, "evil.example"]).status in (400, 421)
    assert studio.raw(b"GET / HTTP/1.0\r\n\r\n").status == 421
    assert studio.ask("GET", "/", host=f"localhost:{studio.port}").status == 200


ORIGINS = [
    EVIL,
    "null",
    "http://127.0.0.1",
    "http://{host}.evil.example",
    "https://{host}",
    "http://{host}/",
    "http://localhost:{port}",
]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(studio: Studio, method: str, origin: str) -> None:
    given = origin.format(host=studio.host, port=studio.port)
    answer = studio.ask(method, "/run" if method == "POST" else "/", body=b"", origin=given)
    assert (answer.status, answer.body) == (403, b"This request comes from another page.")


def test_a_write_says_where_it_comes_from_once(studio: Studio) -> None:
    body, before = json.dumps({"text": config()}).encode(), studio.snapshot()["jobs"]
    assert studio.ask("POST", "/run", body=body, origin=None).status == 403
    assert studio.ask("POST", "/run", body=body, origin=[f"http://{studio.host}", EVIL]).status == 403
    assert studio.ask("POST", "/run", body=body, sec_fetch_site="cross-site").status == 403
    assert studio.ask("GET", "/events", sec_fetch_site="same-site").status == 403
    assert studio.snapshot()["jobs"] == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"])
def test_other_methods_are_refused(studio: Studio, method: str) -> None:
    assert studio.ask(method, "/run").status == 405


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
    ],
)
def test_forms_of_other_pages_are_refused(studio: Studio, kind: str | None) -> None:
    assert studio.ask("POST", "/run", body=b"{}", content_type=kind).status == 415


@pytest.mark.parametrize(
    "changes",
    [
        {"content_length": None},
        {"content_length": "-1"},
        {"content_length": "+2"},
        {"content_length": "0x2"},
        {"content_length": "1" * 400},
        {"content_length": ["2", "3"]},
        {"content_length": None, "transfer_encoding": "chunked"},
        {"content_length": "1000001"},
        {"content_length": "64000001", "content_type": "image/png"},
    ],
)
def test_the_length_of_a_body_is_said_and_small(studio: Studio, changes: dict[str, Any]) -> None:
    assert studio.ask("POST", "/run", body=b"{}", **changes).status in (400, 411, 413)


def test_only_post_has_a_body(studio: Studio) -> None:
    assert studio.ask("GET", "/", body=b"xx", content_length="2").status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py",
        "/static/..%2fguard.py",
        "/static/%2e%2e/guard.py",
        "/static//etc/passwd",
        "/static/%00",
        "/picture/..%2f..%2fetc%2fpasswd/image",
        "/picture/../../etc/passwd",
        "/picture/fox.png/image",
        "/picture/fox.webp/film",
        "/compare/..%2ffox/fox",
        "/compare/fox.png/fox.png",
        "/frame/../../x.webp",
        "/frame/-1.webp",
        "/frame/%D9%A1.webp",
        f"/frame/{'9' * 5000}.webp",
        "//evil.example/",
        "/.git/config",
        "/%ff",
    ],
)
def test_no_name_becomes_a_path(studio: Studio, path: str) -> None:
    assert studio.ask("GET", path).status == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/run", b"", 400),
        ("/run", b"{", 400),
        ("/run", b"[]", 400),
        ("/run", b"[" * 100_000, 400),
        ("/run", b"\xff", 400),
        ("/run", b"{}", 422),
        ("/run", b'{"text": 3}', 422),
        ("/run", json.dumps({"text": "#" * 300_000}).encode(), 413),
        ("/run", json.dumps({"text": "epocs: 3"}).encode(), 422),
        ("/run", json.dumps({"text": "a: &a [*a]"}).encode(), 422),
        ("/run", json.dumps({"text": "!!python/object:os.system x"}).encode(), 422),
        ("/check", b'{"text": null}', 422),
        ("/control", b'{"what": "pause"}', 422),
        ("/control", b'{"what": "__class__", "job": 1}', 422),
        ("/control", b'{"what": "stop", "job": true}', 422),
        ("/control", b'{"what": "stop", "job": 12345}', 409),
        ("/control", b'{"what": ["stop"], "job": 1}', 422),
        ("/change", json.dumps({"text": config(), "job": 12345}).encode(), 409),
        ("/open", b"{}", 415),
        ("/set", json.dumps({"text": config(), "id": "epochs"}).encode(), 422),
        ("/set", json.dumps({"text": config(), "id": "../x", "value": "3"}).encode(), 422),
        ("/set", json.dumps({"text": config(), "id": "epochs", "value": "x" * 20_000}).encode(), 413),
        ("/rerun", b'{"kind": "film"}', 422),
        ("/rerun", b'{"kind": "run", "id": "../fox"}', 404),
        ("/rerun", b'{"kind": "film", "id": "../../etc/passwd"}', 404),
        ("/rerun", b'{"kind": "resume", "id": ["x"]}', 422),
        ("/mask", b"{}", 415),
        ("/favourite", b'{"id": "../../etc/passwd", "favourite": true}', 404),
        ("/favourite", b'{"id": 3, "favourite": true}', 422),
    ],
)
def test_a_refusal_is_a_sentence(studio: Studio, path: str, body: bytes, status: int) -> None:
    answer = studio.ask("POST", path, body=body)
    assert answer.status == status
    assert len(answer.json["message"]) > 10


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio that only shows a picture of somebody."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "fox.png").write_bytes(png(clipig=config()))
    (folder / "fox.checkpoint").write_bytes(b"x")
    with started(folder, "--read-only") as studio:
        studio.login()
        yield studio


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/run", {"text": config()}),
        ("/control", {"what": "stop", "job": 1}),
        ("/change", {"text": config(), "job": 1}),
        ("/rerun", {"kind": "film", "id": "{id}"}),
        ("/rerun", {"kind": "resume", "id": "{id}"}),
        ("/favourite", {"id": "{id}", "favourite": True}),
        ("/favourite", {}),
        ("/mask", {}),
    ],
)
def test_what_only_shows_refuses_every_change(shown: Studio, path: str, content: dict[str, Any]) -> None:
    [listed] = shown.ask("GET", "/pictures").json
    before = {one: one.read_bytes() for one in shown.folder.iterdir()}
    given = {name: listed["id"] if value == "{id}" else value for name, value in content.items()}
    answer = shown.post(path, **given)
    assert (answer.status, answer.json["message"]) == (
        403,
        "this studio only shows: nothing can be run or changed in it",
    )
    assert {one: one.read_bytes() for one in shown.folder.iterdir()} == before
    assert shown.snapshot()["jobs"] == []


def test_what_only_shows_shows_everything(shown: Studio) -> None:
    [listed] = shown.ask("GET", "/pictures").json
    assert shown.ask("GET", f"/picture/{listed['id']}/config").json == {"text": config()}
    assert shown.ask("GET", f"/picture/{listed['id']}/image").status == 200
    assert shown.post("/check", text=config()).json["problems"] == []
    assert shown.snapshot()["readOnly"] is True


def test_what_only_shows_does_not_take_up_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    waiting = [("run", "fox", config())]
    Queue(folder).write(waiting)
    with started(folder, "--read-only") as studio:
        studio.login()
        assert studio.snapshot()["jobs"] == []
        assert studio.end() == 0
    assert Queue(folder).read() == waiting


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text, zip=True)
    content = io.BytesIO()
    Image.new("RGB", (4, 4)).save(content, "PNG", pnginfo=info)
    return content.getvalue()


def bomb() -> bytes:
    """A PNG that says it has four billion pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)

    header = (65535).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_gives_its_config_and_nothing_else_does(studio: Studio) -> None:
    def opened(content: bytes) -> Any:
        answer = studio.ask("POST", "/open", body=content, content_type="image/png")
        return answer.status, answer.json

    assert opened(png(clipig="epochs: 3\n")) == (200, {"text": "epochs: 3\n"})
    assert opened(png())[1] == {"message": "this picture holds no config; it was not made by clipig"}
    for content in (b"", b"GIF89a", b"%!PS", png()[:50], bomb(), png(clipig="a" * 80_000_000)):
        status, answer = opened(content)
        assert status == 422
        assert answer["message"].startswith("this picture")


def test_a_mask_is_a_small_picture(studio: Studio) -> None:
    for content in (b"", b"GIF89a", png()[:30], bomb()):
        answer = studio.ask("POST", "/mask", body=content, content_type="image/png")
        assert (answer.status, answer.json["message"][:24]) == (422, "this mask cannot be read")
    assert not (studio.folder / "masks").exists()
    answer = studio.ask("POST", "/mask", body=png(clipig="x"), content_type="image/png")
    assert list((studio.folder / "masks").iterdir()) == [studio.folder / answer.json["file"]]


def test_answers_say_what_they_may_do_in_a_browser(studio: Studio) -> None:
    for path, cookie in (
        ("/", studio.cookie),
        ("/", "none"),
        ("/pictures", studio.cookie),
        ("/nothing", studio.cookie),
    ):
        headers = studio.ask("GET", path, cookie=cookie).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_no_command_line_shows_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    server.show("http://127.0.0.1:1/?token=secret", tmp_path)
    assert "secret" not in opened[0]
    assert 'url=http://127.0.0.1:1/?token=secret"' in Path(opened[0].removeprefix("file://")).read_text()


def test_each_page_has_a_nonce_of_its_own(studio: Studio) -> None:
    pages = [studio.ask("GET", "/") for _ in range(2)]
    nonces = [page.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0] for page in pages]
    assert nonces[0] != nonces[1]
    assert all(nonce.encode() in page.body for nonce, page in zip(nonces, pages, strict=True))


def test_a_websocket_is_refused(studio: Studio) -> None:
    answer = studio.ask("GET", "/events", cookie=None, upgrade="websocket", sec_websocket_key="x", origin=EVIL)
    assert answer.status == 403


def test_headers_without_end_are_refused(studio: Studio) -> None:
    assert studio.raw(f"GET / HTTP/1.1\r\nhost: {studio.host}\r\nx: ".encode() + b"y" * 5_000_000).status == 400


def test_it_listens_on_this_machine_alone(studio: Studio) -> None:
    with open("/proc/net/tcp") as file:  # noqa: PTH123
        rows = [line.split()[1] for line in file if line.split()[3] == "0A"]
    assert [row for row in rows if row.endswith(f":{studio.port:04X}")] == [f"0100007F:{studio.port:04X}"]
