"""What the studio answers: the page, events, frames, and what the page asks for. The guard stands in front of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from clipig_core import ClipigError
from clipig_studio.check import Checker
from clipig_studio.events import MAX_PAGES
from clipig_studio.form import fields, put
from clipig_studio.pictures import FILMS, Picture, Pictures, film, keep_mask, opened, thumbnail
from clipig_studio.session import Session

if TYPE_CHECKING:
    from clipig_core.kit import Registry

MAX_TEXT = 256_000
MAX_VALUE = 10_000
LAST_RUNS = 10
STATIC = {"app.js": "text/javascript", "app.css": "text/css", "LICENSES.txt": "text/plain"}
CONTROLS = ("pause", "go", "step", "stop", "undo", "watch")


class RefusalError(Exception):
    """An answer that says no, with a sentence for the page."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


class Studio:
    """The endpoints."""

    def __init__(self, folder: Path, registry: Registry, read_only: bool = False, workers: int | None = None) -> None:
        self.session = Session(folder, read_only, workers)
        self.pictures = Pictures(folder)
        self.checker = Checker(registry)
        static = files("clipig_studio") / "static"
        self.page = (static / "index.html").read_text("utf-8")
        self.examples = self.checker.examples()
        self.static = {name: (static / name).read_bytes() for name in STATIC}

    def app(self) -> Starlette:
        """The application, for behind the guard."""
        get = {
            "/": self.index,
            "/static/{name}": self.file,
            "/events": self.events,
            "/frame/{number}.webp": self.frame,
            "/schema": self.schema,
            "/templates": self.templates,
            "/pictures": self.listed,
            "/picture/{key}/thumbnail": self.thumbnail,
            "/picture/{key}/image": self.image,
            "/picture/{key}/film": self.film,
            "/picture/{key}/config": self.config,
            "/compare/{key}/{other}": self.compare,
        }
        post = {"/check": self.check, "/set": self.set, "/open": self.open}
        changes = {
            "/run": self.run,
            "/rerun": self.rerun,
            "/control": self.control,
            "/change": self.change,
            "/favourite": self.favourite,
            "/mask": self.mask,
        }
        post |= dict.fromkeys(changes, self.refuse) if self.session.read_only else changes
        routes = [Route(path, _answering(endpoint), methods=["GET"]) for path, endpoint in get.items()]
        routes += [Route(path, _answering(endpoint), methods=["POST"]) for path, endpoint in post.items()]
        return Starlette(routes=routes)

    # What is shown

    async def index(self, request: Request) -> Response:
        return HTMLResponse(self.page.replace("{{nonce}}", request.scope["nonce"]))

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.static:
            raise RefusalError("there is no such file", 404)
        return Response(self.static[name], media_type=STATIC[name])

    async def events(self, _: Request) -> Response:
        if self.session.events.pages >= MAX_PAGES:
            raise RefusalError(f"{MAX_PAGES} pages are open already", 503)
        return StreamingResponse(self.session.events.stream(), media_type="text/event-stream")

    async def frame(self, request: Request) -> Response:
        frame = self.session.frame(request.path_params["number"])
        if not frame:
            raise RefusalError("there is no such frame", 404)
        return Response(frame, media_type="image/webp")

    async def schema(self, _: Request) -> Response:
        return JSONResponse(await self.checker.schema())

    async def templates(self, _: Request) -> Response:
        looks = [{"group": "Looks", **look} for look in self.checker.looks()]
        found = await asyncio.to_thread(self.pictures.configs)
        made = [one for one in await asyncio.to_thread(self.pictures.all) if one.config][:LAST_RUNS]
        groups = {
            "Examples": self.examples,
            "Last runs": {one.path.stem: one.config for one in made},
            "This folder": found,
        }
        others = [
            {"group": group, "name": name, "text": text}
            for group, named in groups.items()
            for name, text in named.items()
        ]
        return JSONResponse([*looks, *others])

    async def listed(self, request: Request) -> Response:
        word, liked = request.query_params.get("word", "")[:100], "favourites" in request.query_params
        return JSONResponse(await asyncio.to_thread(self.pictures.listed, word, liked))

    async def thumbnail(self, request: Request) -> Response:
        return Response(await self._of_picture(request, thumbnail), media_type="image/webp")

    async def image(self, request: Request) -> Response:
        return Response(await self._of_picture(request, lambda one: one.path.read_bytes()), media_type="image/png")

    async def config(self, request: Request) -> Response:
        return JSONResponse({"text": await self._of_picture(request, lambda one: one.config)})

    async def film(self, request: Request) -> Response:
        suffix, content = await self._of_picture(request, film)
        return Response(content, media_type=FILMS[suffix])

    async def compare(self, request: Request) -> Response:
        texts = [await self._of_picture(request, lambda one: one.config, name) for name in ("key", "other")]
        if not all(texts):
            raise RefusalError("one of these pictures holds no config")
        return JSONResponse({"differences": await self.checker.alone(self.checker.differences, *texts)})

    async def _of_picture(self, request: Request, what: Callable[[Picture], Any], name: str = "key") -> Any:
        return await self._with(request.path_params[name], what)

    async def _with(self, key: str, what: Callable[[Picture], Any]) -> Any:
        try:
            return await asyncio.to_thread(lambda: what(self.pictures[key]))
        except (LookupError, OSError):
            raise RefusalError("this picture is not there any more", 404) from None

    # What is done

    async def check(self, request: Request) -> Response:
        text = await text_of(request)
        return JSONResponse({"problems": await self.checker.problems(text), "fields": await self._fields(text)})

    async def _fields(self, text: str) -> list[dict[str, Any]]:
        with contextlib.suppress(ClipigError, ValueError):  # which are among the problems
            return [one.told() for one in await self.checker.alone(fields, text, self.checker.registry)]
        return []

    async def set(self, request: Request) -> Response:
        text, given = await text_of(request), await body_of(request)
        key, value = (string_of(given, name, MAX_VALUE) for name in ("id", "value"))
        return JSONResponse({"text": await self.checker.alone(put, text, key, value, self.checker.registry)})

    async def run(self, request: Request) -> Response:
        text = await text_of(request)
        return JSONResponse({"job": self.session.enqueue("run", text, await self.checker.name(text)).id})

    async def rerun(self, request: Request) -> Response:
        """Make the film of a picture, by making it again, or go on with its run."""
        given = await body_of(request)
        kind, key = (string_of(given, name, 100) for name in ("kind", "id"))
        picture: Picture = await self._with(key, lambda one: one)
        if kind == "film":
            await self.checker.name(picture.config)
            text = picture.config
        elif kind == "resume" and picture.resumable:
            text = picture.path.name
        else:
            raise RefusalError("this run cannot be gone on with" if kind == "resume" else "'kind' is film or resume")
        return JSONResponse({"job": self.session.enqueue(kind, text, picture.path.stem).id})

    async def favourite(self, request: Request) -> Response:
        given = await body_of(request)
        name = await self._with(string_of(given, "id", 100), lambda one: one.path.name)
        await asyncio.to_thread(self.pictures.favourites.mark, name, given.get("favourite") is True)
        return JSONResponse({})

    async def refuse(self, _: Request) -> Response:
        raise RefusalError("this studio only shows: nothing can be run or changed in it", 403)

    async def control(self, request: Request) -> Response:
        given = await body_of(request)
        what = given.get("what")
        if what not in CONTROLS:
            raise RefusalError(f"'what' is one of {', '.join(CONTROLS)}")
        self.session.control(what, number_of(given, "job"))
        return JSONResponse({})

    async def change(self, request: Request) -> Response:
        text, job = await text_of(request), number_of(await body_of(request), "job")
        await self.checker.name(text)  # a mistake is told at once, though the run would find it, too
        self.session.change(job, text)
        return JSONResponse({})

    async def open(self, request: Request) -> Response:
        return JSONResponse({"text": await asyncio.to_thread(opened, await png_of(request))})

    async def mask(self, request: Request) -> Response:
        return JSONResponse({"file": await asyncio.to_thread(keep_mask, self.session.folder, await png_of(request))})


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent."""
    if request.headers["content-type"].lower() != "application/json":
        raise RefusalError("JSON is expected", 415)
    try:
        given = await request.json()
    except (ValueError, RecursionError):
        raise RefusalError("this is not JSON", 400) from None
    if not isinstance(given, dict):
        raise RefusalError("a JSON object is expected", 400)
    return given


async def png_of(request: Request) -> bytes:
    """The picture that was sent."""
    if request.headers["content-type"].lower() != "image/png":
        raise RefusalError("a picture as PNG is expected", 415)
    return await request.body()


async def text_of(request: Request) -> str:
    """The config that was sent."""
    return string_of(await body_of(request), "text", MAX_TEXT)


def string_of(given: dict[str, Any], name: str, longest: int) -> str:
    """A text that was sent."""
    text = given.get(name)
    if not isinstance(text, str):
        raise RefusalError(f"'{name}' is a text")
    if len(text) > longest:
        raise RefusalError(f"'{name}' is longer than {longest:,} characters", 413)
    return text


def number_of(given: dict[str, Any], name: str) -> int:
    """A whole number that was sent."""
    number = given.get(name)
    if type(number) is not int:
        raise RefusalError(f"'{name}' is a whole number")
    return number


def _answering(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Refusals become answers."""
    return partial(_answer, endpoint)


async def _answer(endpoint: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    try:
        return await endpoint(request)
    except RefusalError as refusal:
        status, message = refusal.status, str(refusal)
    except LookupError as error:
        status, message = 409, str(error.args[0])
    except (ClipigError, ValueError) as error:
        status, message = 422, str(error)
    return JSONResponse({"message": message}, status)
