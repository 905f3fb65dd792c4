from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clipig_core.downloads import FetchError, fetch

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
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize("path", ["/good", "/silent", "/moved"])
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


def test_a_server_that_sends_drops_is_given_up_in_time(server: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="not finished after 1 s"):
        fetch(f"{server}/drops", tmp_path / "a.bin", max_bytes=10**6, max_seconds=1)
    assert time.monotonic() - started < 10
    assert list(tmp_path.iterdir()) == []
