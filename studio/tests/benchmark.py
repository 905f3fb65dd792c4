"""What an open studio costs: `python studio/tests/benchmark.py`, with the studio installed.

The same run by `clipig run` and in a studio with one open page, in turns; the seconds are those that the picture tells.
Then a long run of a fast model, and the memory of the server and of the page.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from studio_client import Studio, started

LOOK = "look: emoji\nvars: {{text: fox}}\nseed: 1\nresolution: 112\nsnapshot_interval: 0\nepochs: {epochs}\n"
FAST = (
    "model: emoji\nresolution: 32\nseed: 1\nsnapshot_interval: 0\nepochs: {epochs}\n"
    "targets: [{{batch_size: 1, features: [{{text: fox}}]}}]\n"
)


def seconds(picture: Path) -> float:
    """Of all epochs, as the picture tells."""
    with Image.open(picture) as image:
        found = re.search(r"epochs, ([\d.]+) s$", image.info["clipig"], re.MULTILINE)
    assert found
    return float(found[1])


def alone(folder: Path, text: str) -> float:
    (folder / "alone.yaml").write_text(text)
    command = [sys.executable, "-m", "clipig", "run", "alone.yaml", "-o", "alone/"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return seconds(folder / done.stdout.strip())


def watched(studio: Studio, text: str) -> float:
    done = studio.wait(studio.run(text), "done", seconds=3000)
    return seconds(studio.folder / done["picture"])


def memory(pid: int) -> float:
    """Megabytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1000


def heap(page: Any) -> float:
    """Megabytes of the page's scripts, after their garbage is gone."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    folder = Path(tempfile.mkdtemp())
    with started(folder) as studio, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page()
        page.goto(studio.url)
        page.locator(".cm-content").wait_for()
        studio.cookie = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
        watched(studio, LOOK.format(epochs=5))  # both know the model
        begun = time.monotonic()
        job = studio.run(LOOK.format(epochs=60))
        page.locator("canvas[data-frame]").wait_for()
        print(f"from Run to the first frame, models and all: {time.monotonic() - begun:.2f} s")
        studio.wait(job, "done", seconds=3000)
        pairs = [(alone(folder, LOOK.format(epochs=60)), watched(studio, LOOK.format(epochs=60))) for _ in range(5)]
        ratios = sorted(there / here for here, there in pairs)
        print("seconds alone and watched:", *(f"{here:.1f}/{there:.1f}" for here, there in pairs))
        print(f"watched : alone, median of the pairs: {ratios[2]:.3f}")
        before = (memory(studio.process.pid), heap(page))
        watched(studio, FAST.format(epochs=10_000))
        print(f"10,000 epochs: server {before[0]:.0f} -> {memory(studio.process.pid):.0f} MB", end=", ")
        print(f"page {before[1]:.1f} -> {heap(page):.1f} MB")
        browser.close()


if __name__ == "__main__":
    main()
