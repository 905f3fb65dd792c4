"""Downloads that end whole or not at all, and, unless somebody allows more, come from public addresses."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import os
import socket
import ssl
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError

TIMEOUT = 30.0
MAX_REDIRECTS = 5
ALLOW_PRIVATE = "CLIPIG_ALLOW_PRIVATE"
"""The environment variable that lets URLs of configs lead to any address, as the option `--allow-private` does."""

_CHUNK = 1 << 16
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class FetchError(OSError):
    """The download failed; the text says why. Nothing was left behind."""


def fetch(
    url: str,
    target: Path,
    *,
    max_bytes: int,
    max_seconds: float = 3600.0,
    sha256: str = "",
    progress: Callable[[int, int], None] | None = None,
    trusted: bool = False,
) -> None:
    """Download an http(s) URL to `target`, which appears only when the whole file is there and its hash is right.

    `progress(done, total)` is called with bytes; total is 0 if the server does not say. A URL that is `trusted`, since
    it is the program's own, may lead to any address, through the proxies of the environment; others lead to public
    addresses only, behind redirects, too, unless `CLIPIG_ALLOW_PRIVATE` is set.

    Raises:
        FetchError: no connection, an error of the server, too large, too slow, cut short, or the wrong content.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise FetchError(f"{url} is not an http(s) URL")
    trusted = trusted or bool(os.environ.get(ALLOW_PRIVATE))
    deadline = _Deadline(max_seconds)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file, deadline.kept():
                digest = _stream(url, file, max_bytes, deadline, progress, trusted)
            if sha256 and digest != sha256:
                raise FetchError("the content is not what was expected (its SHA-256 differs)")
            Path(part).replace(target)
        finally:
            Path(part).unlink(missing_ok=True)
    except FetchError:
        raise
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise FetchError(str(getattr(error, "reason", "") or error)) from error


def _stream(
    url: str,
    file: IO[bytes],
    max_bytes: int,
    deadline: _Deadline,
    progress: Callable[[int, int], None] | None,
    trusted: bool,
) -> str:
    request = urllib.request.Request(url, headers={"User-Agent": "clipig"})  # noqa: S310 - fetch() checked the scheme
    direct = [] if trusted else [urllib.request.ProxyHandler({})]  # a proxy would look the name up by itself
    opener = urllib.request.build_opener(*direct, _Redirects, _Http(deadline, trusted), _Https(deadline, trusted))
    digest, done = hashlib.sha256(), 0
    with opener.open(request, timeout=TIMEOUT) as source:
        total = int(source.headers.get("Content-Length") or 0)
        while chunk := source.read1(_CHUNK):  # what has come; read() would wait for all of it
            done += len(chunk)
            if max(done, total) > max_bytes:
                raise FetchError(f"larger than {max_bytes / 1e6:.0f} MB")
            file.write(chunk)
            digest.update(chunk)
            if progress:
                progress(done, total)
    deadline.check()
    if done < total:
        raise FetchError(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()


class _Deadline:
    """The moment at which a request has to be done, from looking up its name to its last byte."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.end = seconds, time.monotonic() + seconds
        self._connection: socket.socket | None = None

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    def check(self) -> None:
        """Raises FetchError if it is over."""
        if self.left <= 0:
            raise FetchError(f"not finished after {self.seconds:.0f} s")

    def watch(self, connection: socket.socket) -> None:
        """Cut a connection off at the deadline, whatever it is waiting for."""
        self._forget()
        self._connection = connection.dup()  # TLS takes the connection itself over

    @contextmanager
    def kept(self) -> Iterator[None]:
        """What fails inside because it is over says so."""
        timer = threading.Timer(max(0.0, self.left), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception:
            self.check()
            raise
        finally:
            timer.cancel()
            self._forget()

    def _cut(self) -> None:
        if self._connection:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._connection:
            self._connection.close()


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS
    max_repeats = MAX_REDIRECTS

    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.lower().startswith(("http://", "https://")):
            raise URLError(f"redirected to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: _Deadline, trusted: bool) -> None:
        super().__init__()
        self.deadline, self.trusted = deadline, trusted

    def http_open(self, req: Any) -> Any:
        return self.do_open(self.connection, req)

    def connection(self, host: str, **options: Any) -> http.client.HTTPConnection:
        return _watched(http.client.HTTPConnection(host, **options), self.deadline, self.trusted)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: _Deadline, trusted: bool) -> None:
        super().__init__()
        self.deadline, self.trusted = deadline, trusted

    def https_open(self, req: Any) -> Any:
        return self.do_open(self.connection, req)

    def connection(self, host: str, **options: Any) -> http.client.HTTPConnection:
        made = http.client.HTTPSConnection(host, context=ssl.create_default_context(), **options)
        return _watched(made, self.deadline, self.trusted)


def _watched(made: http.client.HTTPConnection, deadline: _Deadline, trusted: bool) -> http.client.HTTPConnection:
    """A connection that is made to an address that was checked, and ends in time."""

    def connect(address: tuple[str, int], timeout: float, _source: Any = None) -> socket.socket:
        errors: list[OSError] = []
        for family, _, _, _, checked in _addresses(*address, deadline, trusted):
            deadline.check()
            found = socket.socket(family, socket.SOCK_STREAM)
            deadline.watch(found)
            try:
                found.settimeout(min(timeout, max(deadline.left, 0.001)))
                found.connect(checked)
            except OSError as error:
                found.close()
                errors.append(error)
            else:
                found.settimeout(timeout)
                return found
        raise errors[-1] if errors else FetchError(f"{address[0]} has no address")

    made._create_connection = connect  # type: ignore[attr-defined]
    return made


def _addresses(host: str, port: int, deadline: _Deadline, trusted: bool) -> list[Any]:
    """What a name stands for, asked once, so that what is checked is what is connected to.

    Raises:
        OSError: it is unknown, or one of its addresses is not public.
    """
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    asking = threading.Thread(target=look_up, daemon=True)  # it cannot be stopped, only left alone
    asking.start()
    asking.join(max(0.0, deadline.left))
    deadline.check()
    answer = found[0]
    if isinstance(answer, OSError | UnicodeError):
        raise answer
    for *_, address in answer:
        if not trusted and not is_public(str(address[0])):
            raise FetchError(f"{host} is {address[0]}, which is no public address; '--allow-private' allows such ones")
    return list(answer)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, rather than of this machine or of a network around it.

    Those that stand for an IPv4 address are what that one is.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
