from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clipig_core import downloads
from clipig_core.downloads import ALLOW_PRIVATE, FetchError, fetch, is_public

CONTENT = bytes(range(256)) * 400


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        getattr(self, f"send_{self.path[1:]}", self.send_missing)()

    def reply(self, content: bytes, length: int | None, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def send_good(self) -> None:
        self.reply(CONTENT, len(CONTENT))

    def send_silent(self) -> None:
        """No length: the end of the connection is the end of the file."""
        self.reply(CONTENT, None)

    def send_short(self) -> None:
        self.reply(CONTENT[:1000], len(CONTENT))

    def send_chunks(self) -> None:
        self.reply(b"ff\r\nonly this", None, Transfer_Encoding="chunked")

    def send_drops(self) -> None:
        """So slow that it would take minutes, and never silent for long."""
        self.reply(b"", len(CONTENT))
        with contextlib.suppress(OSError):
            for byte in CONTENT[:2000]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)

    def send_garbage(self) -> None:
        self.wfile.write(b"garbage\r\n\r\n")

    def send_nothing(self) -> None:
        pass

    def send_badlength(self) -> None:
        self.reply(b"", None, Content_Length="many")

    def send_missing(self) -> None:
        self.reply(b"", 0, code=404)

    def send_moved(self) -> None:
        self.reply(b"", 0, code=302, Location="/good")

    def send_loop(self) -> None:
        self.reply(b"", 0, code=302, Location="/loop")

    def __getattr__(self, name: str) -> Callable[[], None]:
        """`/many5` leads to `/many4`, and so on to `/good`."""
        if not name.startswith("send_many"):
            raise AttributeError(name)
        left = int(name.removeprefix("send_many"))
        return lambda: self.reply(b"", 0, code=302, Location=f"/many{left - 1}" if left else "/good")

    def send_head(self) -> None:
        """Headers without end, each of them soon enough."""
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(2000):
                self.wfile.write(b"X-%d: y\r\n" % number)
                time.sleep(0.05)

    def send_file(self) -> None:
        self.reply(b"", 0, code=302, Location="file:///etc/passwd")

    def send_ftp(self) -> None:
        self.reply(b"", 0, code=302, Location="ftp://127.0.0.1/x")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(ALLOW_PRIVATE, "1")


@pytest.mark.parametrize("path", ["/good", "/silent", "/moved", "/many4"])
def test_a_whole_file(server: str, tmp_path: Path, path: str) -> None:
    seen: list[tuple[int, int]] = []
    target = tmp_path / "new" / "a.bin"
    digest = hashlib.sha256(CONTENT).hexdigest()
    fetch(server + path, target, max_bytes=len(CONTENT), sha256=digest, progress=lambda *at: seen.append(at))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), 0 if path == "/silent" else len(CONTENT))
    assert [file.name for file in target.parent.iterdir()] == ["a.bin"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/short", "ended after 1000 of 102400 bytes"),
        ("/chunks", "IncompleteRead"),
        ("/garbage", "garbage"),
        ("/nothing", "closed connection"),
        ("/badlength", "many"),
        ("/missing", "Not Found"),
        ("/loop", "redirect"),
        ("/many5", "redirect"),
        ("/file", "file:///etc/passwd"),
        ("/ftp", "redirected to ftp:"),
        ("/with space", "control characters"),
    ],
)
def test_a_failure_leaves_nothing(server: str, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        fetch(server + path, tmp_path / "a.bin", max_bytes=10**6)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/good", "/silent"])
def test_too_large(server: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(FetchError, match="larger than"):
        fetch(server + path, tmp_path / "a.bin", max_bytes=len(CONTENT) - 1)
    assert list(tmp_path.iterdir()) == []


def test_the_wrong_content_leaves_the_old_file(server: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("old")
    with pytest.raises(FetchError, match="SHA-256"):
        fetch(f"{server}/good", tmp_path / "a.bin", max_bytes=10**6, sha256="0" * 64)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd", "data:,x", ""])
def test_only_http(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError, match="not an http"):
        fetch(url, tmp_path / "a.bin", max_bytes=10**6)


@pytest.mark.parametrize("url", ["http://", "http://[", "http://127.0.0.1:x/", "http://127.0.0.1:1/"])
def test_urls_that_lead_nowhere(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError):
        fetch(url, tmp_path / "a.bin", max_bytes=10**6)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_takes_too_long_is_given_up(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="not finished after 0 s"):
        fetch(f"{server}/good", tmp_path / "a.bin", max_bytes=10**6, max_seconds=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/drops", "/head"])
def test_a_server_that_sends_drops_is_given_up_in_time(server: str, tmp_path: Path, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="not finished after 1 s"):
        fetch(server + path, tmp_path / "a.bin", max_bytes=10**6, max_seconds=1)
    assert time.monotonic() - started < 10
    assert list(tmp_path.iterdir()) == []


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd12::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2001:0:1:2:3:4:80ff:fffe", "2001:db8::1", "100::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2001:4860:4860::8888"]


def test_which_addresses_are_public() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "017700000001", "127.1", "[::1]", "0"]
)
def test_only_public_addresses(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE)
    monkeypatch.setenv("http_proxy", server)  # it would be asked for anything
    monkeypatch.delenv("no_proxy")
    with pytest.raises(FetchError, match="is no public address; '--allow-private' allows such ones"):
        fetch(f"http://{host}:{server.rpartition(':')[2]}/good", tmp_path / "a.bin", max_bytes=10**6)
    assert list(tmp_path.iterdir()) == []


def test_what_the_program_itself_wants_may_come_from_anywhere(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE)
    fetch(f"{server}/good", tmp_path / "a.bin", max_bytes=10**6, trusted=True)


class Names:
    """Looks names up: the answers to one name, in turn, as a server that wants to deceive gives them."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers, self.asked = {name.replace("_", "."): given for name, given in answers.items()}, 0

    def __call__(self, host: str, port: int, **_: object) -> list[object]:
        self.asked += 1
        answer = self.answers[host].pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


def test_one_private_address_among_several_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE)
    monkeypatch.setattr(socket, "getaddrinfo", Names(evil_test=[["8.8.8.8", "10.0.0.1"]]))
    with pytest.raises(FetchError, match=r"evil\.test is 10\.0\.0\.1"):
        fetch("http://evil.test/", tmp_path / "a.bin", max_bytes=10**6)


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer, which would be a private address, is never asked for; a redirect is asked about again."""
    monkeypatch.delenv(ALLOW_PRIVATE)
    names = Names(evil_test=[["127.0.0.1"], ["10.0.0.1"]])
    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setattr(downloads, "is_public", lambda address: address == "127.0.0.1")
    port = server.rpartition(":")[2]
    fetch(f"http://evil.test:{port}/good", tmp_path / "a.bin", max_bytes=10**6)
    assert names.asked == 1
    names.answers["evil.test"].insert(0, ["127.0.0.1"])
    with pytest.raises(FetchError, match=r"evil\.test is 10\.0\.0\.1"):
        fetch(f"http://evil.test:{port}/moved", tmp_path / "b.bin", max_bytes=10**6)


def test_a_name_that_nobody_answers_for_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(30) and [])
    with pytest.raises(FetchError, match="not finished after 0 s"):
        fetch("http://slow.test/", tmp_path / "a.bin", max_bytes=10**6, max_seconds=0.2)
    answer.set()
