"""What an epoch costs beside the bare encoder.

    python benchmarks/epoch.py [--epochs 10] [--json FILE]

The ceiling is the forward and backward pass of the same encoder, with frozen weights, on as many images of its input
size, at the same precision, in the same process, alternating with the epochs. The figure is the ratio of the medians.
The weights are random: they cost what OpenAI's cost, and need no download.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from clipig_core.clip_encoder import CLIP
from clipig_core.config import check
from clipig_core.errors import Place
from clipig_core.nodes import Node, read_file
from clipig_core.registry import Registry
from clipig_core.run import Run

VIT_B_32 = (512, 224, 12, 768, 32, 77, 49408, 512, 8, 12)
STRAWBERRY = Path(__file__).parent.parent / "examples" / "strawberry.yaml"


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and configs; every one is for the random-weight ViT-B/32."""
    plain = {"features": [{"text": "a strawberry"}]}
    yield "batch 1, 224x224, no transforms", {"resolution": 224, "targets": [plain]}
    strawberry = read_file(str(STRAWBERRY)).plain_value()
    target = {**strawberry["targets"][0], "batch_size": 5}
    yield (
        "batch 5, 512x512, transforms of examples/strawberry.yaml",
        {"resolution": 512, "canvas": strawberry["canvas"], "targets": [target]},
    )


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long some work takes, until the device is done."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(config: dict[str, Any], model: str, epochs: int, registry: Registry) -> dict[str, float]:
    """Median seconds of an epoch and of the bare encoder, and their ratio."""
    place = Place("benchmark")
    given = {**config, "model": model, "epochs": epochs + 1, "seed": 1}
    run = Run(check(Node.of(given, place), registry))
    assert run.encoder is not None
    encoder, steps = run.encoder, iter(run)
    target = run.targets[0]
    count = target.batch_size if target.random else 1
    views = torch.rand(count, 3, encoder.image_size, encoder.image_size, device=run.device)

    def bare() -> None:
        encoder.encode_image(views.detach().requires_grad_()).sum().backward()

    seconds(lambda: next(steps), run.device)  # warm up both
    seconds(bare, run.device)
    pairs = [(seconds(lambda: next(steps), run.device), seconds(bare, run.device)) for _ in range(epochs)]
    epoch, ceiling = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {"epoch_s": round(epoch, 4), "ceiling_s": round(ceiling, 4), "ratio": round(epoch / ceiling, 3)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10, help="measured epochs of each case")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    args = parser.parse_args()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    machine = f"{device}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
    print(machine)
    print(f"{'random-weight ViT-B/32, float32':<58}{'epoch':>10}{'ceiling':>10}{'ratio':>8}")
    registry, results = Registry(), {}
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "random.pt")
        torch.manual_seed(0)
        torch.save(CLIP(*VIT_B_32).state_dict(), model)
        for name, config in cases():
            results[name] = result = measure(config, model, args.epochs, registry)
            print(f"{name:<58}{result['epoch_s']:>9.3f}s{result['ceiling_s']:>9.3f}s{result['ratio']:>8.2f}")
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "cases": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
