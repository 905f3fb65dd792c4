"""Kills runs with `kill -9` at random moments, goes on from their checkpoints, and compares what comes out.

    python -m tests.plugins.kills 100 --seed 7

Each run is a process of its own, forked from this one, which has imported everything but started nothing; so a kill
costs a second and not five.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clipig_checkpoint.file import Checkpoint
from clipig_cli import cli

HEAD = """
resolution: 24 if t < .5 else 32
epochs: 150
seed: 1
model: emoji
average: 25%
verbose: 0
snapshot_interval: 7
optimizer: rmsprop
outputs: [checkpoint: {interval: 2, keep: yes}]
"""
CONFIGS = {
    "model": f"""{HEAD}
targets:
  - batch_size: 2
    feature_scale: fair
    features: [{{text: fox}}, {{text: owl, weight: random()}}]
    transforms: [{{resize: 24}}, {{random_shift: 0 1}}, {{noise: .1}}]
    constraints: [{{blur: {{weight: .2}}}}]
""",
    "pixels": f"""{HEAD}
canvas: pyramid
targets:
  - batch_size: 4
    transforms: [{{random_shift: 0 1}}, {{noise: .1 * random()}}]
    constraints: [{{blur: {{weight: .2}}}}, {{mean: {{above: .6 + .1 * random()}}}}]
""",
}
"""The second needs no model, so that it starts at once."""


@dataclass
class Score:
    """What became of the runs that were killed."""

    early: int = 0
    """Before there was a checkpoint."""
    late: int = 0
    """After they had ended."""
    same: int = 0
    different: int = 0
    failed: int = 0


@dataclass
class Whole:
    """A run that nothing happened to."""

    state: dict[str, Any]
    loading: float
    """Seconds until its first checkpoint."""
    painting: float


def campaign(kills: int, seed: int, folder: Path) -> Score:
    """Kill so many runs, once each, every fourth with a model, every fifth before or after its first checkpoint."""
    print(f"seed {seed}", flush=True)
    runs, rng, score = {name: whole(folder, name, text) for name, text in CONFIGS.items()}, random.Random(seed), Score()
    for number in range(kills):
        config = "pixels" if number % 4 else "model"
        one = runs[config]
        child = begin(folder, "run", f"{config}.yaml", "-o", f"run{number}.png")
        if number % 5:
            wait_for(folder / f"run{number}.checkpoint", child)
            time.sleep(rng.uniform(0, one.painting))
        else:
            time.sleep(rng.uniform(0, one.loading + one.painting))
        os.kill(child, signal.SIGKILL)
        judge(score, folder / f"run{number}.checkpoint", wait(child) == 0, one)
        if (number + 1) % 10 == 0:
            print(f"{number + 1} kills: {score}", flush=True)
    return score


def whole(folder: Path, name: str, text: str) -> Whole:
    """A run of a config that comes to its end."""
    (folder / f"{name}.yaml").write_text(text)
    start = time.monotonic()
    child = begin(folder, "run", f"{name}.yaml", "-o", f"whole-{name}.png")
    wait_for(folder / f"whole-{name}.checkpoint", child)
    loading = time.monotonic() - start
    assert wait(child) == 0
    return Whole(state(folder / f"whole-{name}.checkpoint"), loading, time.monotonic() - start - loading)


def judge(score: Score, checkpoint: Path, ended: bool, one: Whole) -> None:
    """What becomes of a run that was killed."""
    if not checkpoint.exists():
        score.early += 1
    elif ended:
        score.late += 1
    elif wait(begin(checkpoint.parent, "resume", checkpoint.name)):
        score.failed += 1
    elif same(state(checkpoint), one.state):
        score.same += 1
    else:
        score.different += 1


def begin(folder: Path, *arguments: str) -> int:
    """A command of clipig in a process of its own."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.chdir(folder)
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 1)
        cli.main(list(arguments), standalone_mode=False)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait_for(path: Path, child: int) -> None:
    """Until a file is there that a child writes."""
    while not path.exists() and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.001)


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state(path: Path) -> dict[str, Any]:
    """All that a checkpoint says, but for how long it took."""
    return {name: value for name, value in Checkpoint.read(path).state.items() if name != "seconds"}


def same(one: Any, other: Any) -> bool:
    """Whether states are equal, to the last bit of each tensor."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def main() -> None:
    """Exit with 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        score = campaign(arguments.kills, arguments.seed, Path(folder))
    print(score)
    sys.exit(bool(score.failed or score.different))


if __name__ == "__main__":
    main()
