"""Who may talk to the studio: a shield around the application, for everything that comes over the socket.

Any web page that somebody visits can send requests to 127.0.0.1, and any program of this machine's can, too. So a
request needs the address that was printed (Host), has to come from the studio's own page (Origin), and needs the token,
which nobody else knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = {b"application/json": 1_000_000, b"image/png": 64_000_000}
"""The kinds of bodies that are taken, and how long they may be."""

LOGIN = "Open the address that 'clipig studio' printed when it started. It works once; this browser is then known."

HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class RefusedError(Exception):
    """A request that goes no further: a status, and a sentence for people."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Guard:
    """Lets through what comes from the studio's page, in a browser that has the token.

    `hosts` are the names with ports by which the studio may be called. The token of the address serves one login, and
    becomes a cookie; its name has the port, as cookies are shared by all ports of a host.
    """

    def __init__(self, app: App, hosts: frozenset[str], port: int) -> None:
        self.app, self.hosts = app, hosts
        self.cookie = f"clipig-studio-{port}"
        self.ticket = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # WebSockets; closing before accepting refuses
            return await send({"type": "websocket.close", "code": 1008})
        nonce = scope["nonce"] = secrets.token_urlsafe(16)
        secured = _secured(send, nonce)
        try:
            headers = _headers(scope)
            self.check_sender(scope, headers)
            check_body(scope, headers)
            if self.logs_in(scope):
                return await self.welcome(secured)
            if headers.get(b"sec-fetch-site", [b"none"])[0] not in (b"same-origin", b"none"):
                raise RefusedError(403, "This request comes from another site.")
            if not self.known(headers):
                raise RefusedError(401, LOGIN)
        except RefusedError as refusal:
            return await answer(secured, refusal.status, refusal.reason)
        return await self.app(scope, receive, secured)

    def check_sender(self, scope: Scope, headers: dict[bytes, list[bytes]]) -> None:
        """Raises RefusedError if the request is meant for somebody else, or comes from another page."""
        host = headers.get(b"host", [])
        if len(host) != 1 or host[0].decode("latin-1").lower() not in self.hosts:
            raise RefusedError(421, "The studio does not go by this name; open the address that it printed.")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise RefusedError(405, "The studio knows GET, HEAD and POST.")
        origin, own = headers.get(b"origin", []), [b"http://" + host[0].lower()]
        if origin != own and (origin or scope["method"] == "POST"):
            raise RefusedError(403, "This request comes from another page.")

    def known(self, headers: dict[bytes, list[bytes]]) -> bool:
        """Whether the cookie holds the token."""
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(b"; ".join(headers.get(b"cookie", [])).decode("latin-1"))
        except CookieError:
            return False
        given = cookies[self.cookie].value if self.cookie in cookies else ""
        return secrets.compare_digest(given.encode(), self._session.encode())

    def logs_in(self, scope: Scope) -> bool:
        """Whether the request brings the token of the address, which is then used up."""
        if scope["method"] != "GET" or scope["path"] != "/":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self.ticket or not secrets.compare_digest(given.encode(), self.ticket.encode()):
            return False
        self.ticket = ""
        return True

    async def welcome(self, send: Send) -> None:
        """To the page, without the token in the address; not by a redirect, on which a strict cookie would not go."""
        cookie = f"{self.cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"
        await answer(send, 200, onward("/"), {"content-type": "text/html; charset=utf-8", "set-cookie": cookie})


def check_body(scope: Scope, headers: dict[bytes, list[bytes]]) -> None:
    """Raises RefusedError if a request brings what nobody asked for, or more than is taken."""
    length, kind = headers.get(b"content-length", []), headers.get(b"content-type", [])
    if b"transfer-encoding" in headers or len(length) > 1:
        raise RefusedError(411, "The length of a body has to be said.")
    if scope["method"] != "POST":
        if length not in ([], [b"0"]):
            raise RefusedError(400, "Only POST has a body.")
        return
    if len(kind) != 1 or kind[0].lower() not in MAX_BODY:
        raise RefusedError(415, "A body is JSON, or a picture as PNG.")
    if not length or not length[0].isdigit() or len(length[0]) > 12:
        raise RefusedError(411, "The length of a body has to be said.")
    if int(length[0]) > MAX_BODY[kind[0].lower()]:
        raise RefusedError(413, "This is too large for the studio.")


def onward(address: str) -> str:
    """A page that leads to another one."""
    return f'<!doctype html><meta http-equiv="refresh" content="0; url={address}"><a href="{address}">clipig studio</a>'


async def answer(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    """Send a short text."""
    body = text.encode()
    given = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **(headers or {})}
    await send({"type": "http.response.start", "status": status, "headers": _encoded(given)})
    await send({"type": "http.response.body", "body": body})


def _secured(send: Send, nonce: str) -> Send:
    """Adds to every answer what it may do in a browser."""

    async def secured(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            policy = {**HEADERS, "content-security-policy": POLICY.format(nonce=nonce)}
            message["headers"] = [*message.get("headers", []), *_encoded(policy)]
        await send(message)

    return secured


def _headers(scope: Scope) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
