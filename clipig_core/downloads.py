"""Downloads that end whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError

TIMEOUT = 30.0
_CHUNK = 1 << 16


class FetchError(OSError):
    """The download failed; the text says why. Nothing was left behind."""


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.lower().startswith(("http://", "https://")):
            raise URLError(f"redirected to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    url: str,
    target: Path,
    *,
    max_bytes: int,
    max_seconds: float = 3600.0,
    sha256: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Download an http(s) URL to `target`, which appears only when the whole file is there and its hash is right.

    `progress(done, total)` is called with bytes; total is 0 if the server does not say.

    Raises:
        FetchError: no connection, an error of the server, too large, too slow, cut short, or the wrong content.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise FetchError(f"{url} is not an http(s) URL")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = _stream(url, file, max_bytes, max_seconds, progress)
            if sha256 and digest != sha256:
                raise FetchError("the content is not what was expected (its SHA-256 differs)")
            Path(part).replace(target)
        finally:
            Path(part).unlink(missing_ok=True)
    except FetchError:
        raise
    except (OSError, ValueError, HTTPException) as error:
        raise FetchError(str(getattr(error, "reason", "") or error)) from error


def _stream(
    url: str, file: IO[bytes], max_bytes: int, max_seconds: float, progress: Callable[[int, int], None] | None
) -> str:
    request = urllib.request.Request(url, headers={"User-Agent": "clipig"})  # noqa: S310 - fetch() checked the scheme
    digest, done, deadline = hashlib.sha256(), 0, time.monotonic() + max_seconds
    with urllib.request.build_opener(_OnlyHttp).open(request, timeout=TIMEOUT) as source:
        total = int(source.headers.get("Content-Length") or 0)
        while chunk := source.read1(_CHUNK):  # what has come; read() would wait for all of it, past the deadline
            done += len(chunk)
            if time.monotonic() > deadline:
                raise FetchError(f"not finished after {max_seconds:.0f} s")
            if max(done, total) > max_bytes:
                raise FetchError(f"larger than {max_bytes / 1e6:.0f} MB")
            file.write(chunk)
            digest.update(chunk)
            if progress:
                progress(done, total)
    if done < total:
        raise FetchError(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()
