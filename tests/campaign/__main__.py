"""Runs the campaign and prints its table.

python -m tests.campaign                      ten minutes
python -m tests.campaign --minutes 60 --seed 7 kills plugins
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import configs, expressions, files, plugins
from .cases import SECONDS, Cases

PARTS: Mapping[str, tuple[Cases, float]] = {
    "configs": (configs.through_checks, 3),
    "command": (configs.through_the_command, 3),
    "expressions": (expressions.expressions, 0.5),
    "models": (files.models, 1),
    "pictures": (files.pictures, 0.5),
    "kills": (files.kills, 1),
    "plugins": (plugins.plugins, 1),
}
"""With the share of the time that each gets."""

SHOWN = 5


def main() -> int:
    """1 if there was a defect."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all if none is given")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    parts = given.parts or [*PARTS]
    if unknown := set(parts) - PARTS.keys():
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    if given.inside:
        print(json.dumps(run(parts[0], given.seed, 60 * given.minutes)))
        return 0
    print(
        f"seed {given.seed}\n\n| part | cases | defects | worst seconds | worst MB |\n|---|--:|--:|--:|--:|", flush=True
    )
    total = sum(PARTS[part][1] for part in parts)
    defects: list[tuple[str, dict[str, str]]] = []
    for part in parts:
        minutes = given.minutes * PARTS[part][1] / total
        arguments = [part, "--inside", "--seed", str(given.seed), "--minutes", str(minutes)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.campaign", *arguments], stdout=subprocess.PIPE, text=True, check=False
        )
        lines = done.stdout.splitlines()
        found: dict[str, Any] = (
            json.loads(lines[-1]) if not done.returncode and lines else {"cases": 0, "defects": [{"what": "it ended"}]}
        )
        defects += [(part, defect) for defect in found["defects"]]
        counts = (
            found["cases"],
            found.get("count", 1),
            f"{found.get('seconds', 0):.2f}",
            f"{found.get('megabytes', 0):.0f}",
        )
        print(f"| {part} | {' | '.join(map(str, counts))} |", flush=True)
    for part, defect in defects:
        print(f"\n{part}, case {defect.get('number')}: {defect['what']}\n{defect.get('case', '')[:1500]}")
    return bool(defects)


def run(part: str, seed: int, seconds: float) -> dict[str, Any]:
    """Cases of a part for so long; the first defects are described, all are counted."""
    signal.signal(signal.SIGALRM, late)
    end, count, number, worst = 0.0, 0, 0, 0.0
    defects: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (text, case) in enumerate(PARTS[part][0](random.Random(f"{part} {seed}"), Path(folder)), 1):
            end = end or time.monotonic() + seconds  # from here on; what is imported is loaded by now
            started = time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
            signal.alarm(2 * SECONDS)
            try:
                what = case()
            except BaseException:
                what = traceback.format_exc()[-1500:]
            signal.alarm(0)
            ended = time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
            worst = max(worst, ended - started)
            if what:
                count += 1
                if len(defects) < SHOWN:
                    defects.append({"number": str(number), "what": what, "case": text})
            if time.monotonic() > end:
                break
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"cases": number, "count": count, "defects": defects, "seconds": worst, "megabytes": memory / 1024}


def late(*_: object) -> None:
    """Ends a case that does not end by itself."""
    raise TimeoutError(f"the case took more than {2 * SECONDS} s")


if __name__ == "__main__":
    sys.exit(main())
