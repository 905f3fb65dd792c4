"""A studio as users start it, with the bundled emoji model, and a client that sends whatever it is told to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = """\
model: emoji
resolution: 32
epochs: {epochs}
seed: 1
targets:
  - batch_size: 2
    features:
      - text: {text}
    transforms:
      - noise: .1
"""


def config(text: str = "fox", epochs: int = 20) -> str:
    return CONFIG.format(text=text, epochs=epochs)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Studio:
    """A process with `clipig studio`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "clipig", "studio", str(folder), "--no-open", *options]
        env = {**os.environ, "HOME": str(folder.parent)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=env)
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()
        self.host = self.url.removeprefix("http://").partition("/")[0]
        self.port = int(self.host.partition(":")[2])
        self.cookie = ""

    def login(self) -> None:
        answer = self.ask("GET", self.url.removeprefix(f"http://{self.host}"))
        assert answer.status == 200
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def raw(self, content: bytes) -> Answer:
        """Send bytes, and read the first answer to its end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            with contextlib.suppress(ConnectionError):  # a refusal may come before all is sent
                connection.sendall(content)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(first.split()[1]), headers, body)

    def ask(self, method: str, path: str, *, body: bytes = b"", **changes: str | list[str] | None) -> Answer:
        """A request as the page sends it, but for the headers that are changed; None leaves one out."""
        headers: dict[str, str | list[str] | None] = {"host": self.host, "cookie": self.cookie or None}
        if method == "POST":
            headers |= {"origin": f"http://{self.host}", "content-type": "application/json"}
            headers |= {"content-length": str(len(body))}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"{method} {path} HTTP/1.1", "connection: close"]
        for name, value in headers.items():
            lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value or [])]
        return self.raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def post(self, path: str, **content: Any) -> Answer:
        return self.ask("POST", path, body=json.dumps(content).encode())

    def run(self, text: str) -> int:
        answer = self.post("/run", text=text)
        assert answer.status == 200, answer.body
        return int(answer.json["job"])

    def snapshot(self) -> Any:
        """What a page gets that is opened now."""
        request = f"GET /events HTTP/1.1\r\nhost: {self.host}\r\ncookie: {self.cookie}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request.encode())
            with connection.makefile("rb") as lines:
                data = next(line for line in lines if line.startswith(b"data: "))
        return json.loads(data.removeprefix(b"data: "))

    def wait(self, job: int, *states: str, seconds: float = 120) -> Any:
        """The job once it is in one of these states."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = next(one for one in self.snapshot()["jobs"] if one["id"] == job)
            if found["state"] in states:
                return found
            if found["state"] in ("done", "stopped", "failed"):
                break
            time.sleep(0.05)
        raise AssertionError(f"job {job} is not {states}: {self.snapshot()['jobs']}")

    def until(self, epoch: int, seconds: float = 120) -> Any:
        """What runs, once it has shown an epoch."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.snapshot()["job"]
            if job and job["step"].get("epoch", 0) >= epoch:
                return job
            time.sleep(0.05)
        raise AssertionError(f"epoch {epoch} did not come: {self.snapshot()['jobs']}")

    @property
    def worker(self) -> int:
        """The process of the runs."""
        [found] = self.workers
        return found

    @property
    def workers(self) -> list[int]:
        """The children that were spawned to run `main`."""
        children = [path.read_text().split() for path in Path(f"/proc/{self.process.pid}/task").glob("*/children")]
        return [
            int(pid) for pids in children for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def end(self) -> int:
        """Ctrl-C."""
        os.kill(self.process.pid, signal.SIGINT)
        return self.process.wait(60)


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator[Studio]:
    studio = Studio(folder, *options)
    try:
        yield studio
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(studio.process.pid, signal.SIGKILL)
        studio.process.wait()
        if studio.process.stdout:
            studio.process.stdout.close()
