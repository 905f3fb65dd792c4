"""Measure what clipig costs, and print tables; or compare what was measured before.

    python -m benchmarks                          everything, about ten minutes on two cores
    python -m benchmarks epoch precision          some of it
    python -m benchmarks --json now.json          write the figures to a file, too
    python -m benchmarks --compare old.json now.json
    python -m benchmarks quality --help           how good pictures are

Tables are Markdown. On a machine with a GPU everything is measured twice, on the CPU and on the GPU.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import (
    epoch,
    guarding,
    memory,
    outputs,
    precision,
    profiling,
    quality,
    scaling,
    sharing,
    startup,
    sweeps,
    tables,
    transforms,
    waiting,
    watching,
)
from benchmarks.session import Session
from clipig_core.engine.device import find_precision
from clipig_core.errors import ClipigError
from clipig_core.runner.files import save

BENCHMARKS: dict[str, Callable[[Session], Iterator[tables.Table]]] = {
    "epoch": epoch.measure,
    "precision": precision.measure,
    "transforms": transforms.measure,
    "memory": memory.measure,
    "scaling": scaling.measure,
    "startup": startup.measure,
    "waiting": waiting.measure,
    "outputs": outputs.measure,
    "watching": watching.measure,
    "sweeps": sweeps.measure,
    "sharing": sharing.measure,
    "guarding": guarding.measure,
    "profile": profiling.measure,
}

PACKAGES = ("clipig", "torch", "torchvision", "clip-anytorch", "numpy")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. It ends with code 2 if the arguments are wrong, and with 1 if something fails."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["quality"]:  # about pictures, not about seconds
        quality.main(arguments[1:])
        return
    args = parse(arguments)
    if args.compare:
        print(tables.compare(*map(load, args.compare)))
        return
    before = load(args.check) if args.check else None
    try:
        figures = measure(args)
    except ClipigError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    if before and (worse := tables.worse(before, figures, args.tolerance)):
        sys.exit("\n".join(["dearer than before:", *worse]))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Print each table when it is done; all figures."""
    found: list[tables.Table] = []
    with tempfile.TemporaryDirectory() as folder:
        facts = machine(args.devices)
        print("\n".join(f"- {key}: {value}" for key, value in facts.items()), end="\n\n", flush=True)
        for device in args.devices:
            session = Session(device, Path(folder), args.quick, args.pictures)
            for name in args.names:
                for table in BENCHMARKS[name](session):
                    table.name += f" ({device})"
                    print(table.markdown(), flush=True)
                    found.append(table)
                    if args.json:  # an interrupted command leaves what it measured
                        save(args.json, json.dumps(tables.to_json(facts, found), indent=1).encode() + b"\n")
    return tables.to_json(facts, found)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    present = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of a benchmark: {', '.join(BENCHMARKS)}")
    parser.add_argument("--device", choices=present, help="measure only there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a new file")
    parser.add_argument("--compare", type=Path, nargs=2, metavar="FILE", help="two such files: before and now")
    parser.add_argument("--check", type=Path, metavar="FILE", help="fail if ratios are worse than in such a file")
    parser.add_argument("--tolerance", type=float, default=1.15, metavar="X", help="how many times; 1.15 if not given")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="save the pictures of `precision` side by side")
    parser.add_argument("--quick", action="store_true", help="only show that everything works; figures mean nothing")
    args = parser.parse_args(arguments)
    unknown = [name for name in args.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there is {', '.join(BENCHMARKS)}")
    if args.json and args.json.exists():
        parser.error(f"{args.json} is there already; choose a new name")
    args.names = args.names or list(BENCHMARKS)
    args.devices = [args.device] if args.device else present
    return args


def load(path: Path) -> dict[str, Any]:
    """The figures of a file that `--json` wrote."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        found["machine"], found["tables"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{path} holds no figures of 'python -m benchmarks --json': {error}", file=sys.stderr)
        sys.exit(2)
    return found


def machine(devices: list[str]) -> dict[str, Any]:
    """What figures depend on."""
    config = {device: Session(device, Path()).config("targets: [{constraints: [{blur: 3}]}]") for device in devices}
    precisions = {device: str(find_precision(each, torch.device(device))) for device, each in config.items()}
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "commit": commit(),
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "gpu": torch.cuda.get_device_name() if "cuda" in devices else None,
        "system": f"{platform.platform(terse=True)}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        "threads": torch.get_num_threads(),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY"),
        "precision": ", ".join(f"{name.removeprefix('torch.')} ({device})" for device, name in precisions.items()),
        "load before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def processor() -> str:
    """The name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str | None:
    """The commit that is checked out, if this is a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


if __name__ == "__main__":
    main()
