"""What an open studio costs: `python studio/tests/benchmark.py`, with the studio installed.

An epoch with the view that pages look at, beside one without; how soon the first picture is in the page; and the memory
of server and page before and after a long run of a fast model.
"""

from __future__ import annotations

import itertools
import multiprocessing
import re
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from studio_client import started

from clipig_core import kit
from clipig_studio.check import read
from clipig_studio.view import View

LOOK = "look: emoji\nvars: {{text: fox}}\nseed: 1\nresolution: 112\nsnapshot_interval: 0\nepochs: {epochs}\n"
LONG = 10_000
FAST = (
    "model: emoji\nresolution: 32\nseed: 1\nsnapshot_interval: 0\nepochs: {epochs}\n"
    "targets: [{{batch_size: 1, features: [{{text: fox}}]}}]\n"
)


def cost(epochs: int) -> float:
    """CPU seconds of this process for an epoch with the studio's view, as a multiple of one without, in turns of five.

    CPU seconds, as they do not depend on what else the machine does; those of the thread that encodes are in them.
    """
    ours, theirs = multiprocessing.Pipe()
    threading.Thread(target=lambda: [*iter(theirs.recv, None)], daemon=True).start()
    run = kit.Run(read(LOOK.format(epochs=epochs), kit.Registry()))
    view = View(lambda event, **content: ours.send({"event": event, **content}))
    view.begin(run)
    spent: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(epochs // 5):
        begun, shown = time.process_time(), turn % 2 == 1
        for step in itertools.islice(run, 5):
            if shown:
                view.step(step)
        if shown:
            view.settle()
        spent[shown].append(time.process_time() - begun)
    ours.send(None)
    return statistics.median(spent[True]) / statistics.median(spent[False])


def memory(pid: int) -> float:
    """Megabytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1000


def newest(folder: Path) -> float:
    """When the last picture was written."""
    return max(path.stat().st_mtime for path in folder.glob("*.png"))


def heap(page: Any) -> float:
    """Megabytes of the page's scripts, after their garbage is gone."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    print(f"an epoch with an open studio: {cost(200):.3f} of one without")
    folder = Path(tempfile.mkdtemp())
    with started(folder) as studio, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page()
        page.goto(studio.url)
        page.locator(".cm-content").wait_for()
        studio.cookie = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
        studio.wait(studio.run(LOOK.format(epochs=5)), "done", seconds=600)
        begun = time.monotonic()
        studio.run(LOOK.format(epochs=5).replace("snapshot_interval: 0", "snapshot_interval: 1000"))
        page.locator("canvas[data-frame]").wait_for()
        print(f"from Run to the first picture in the page: {time.monotonic() - begun:.2f} s")
        print(f"behind the snapshot of the first epoch: {time.time() - newest(folder):.2f} s")
        before = (memory(studio.process.pid), heap(page))
        studio.wait(studio.run(FAST.format(epochs=LONG)), "done", seconds=6000)
        after = (memory(studio.process.pid), heap(page))
        print(f"{LONG} epochs: server {before[0]:.0f} -> {after[0]:.0f} MB, page {before[1]:.1f} -> {after[1]:.1f} MB")
        browser.close()


if __name__ == "__main__":
    main()
