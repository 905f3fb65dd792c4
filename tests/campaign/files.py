"""Files that are broken, and runs that are killed while they write theirs."""

from __future__ import annotations

import io
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clipig_core.errors import ClipigError
from clipig_core.extension.registry import Registry
from clipig_core.language.yaml import read_file

from .cases import Case, command, forked, spoiled, told, warm

CONFIG = "model: emoji\nresolution: 48\nepochs: 100000\ntargets: [{features: [{text: fox}], constraints: [blur]}]\n"


def models(rng: random.Random, folder: Path) -> Iterator[tuple[str, Case]]:
    """Checkpoints with other bytes, and with other tensors."""
    import torch
    from safetensors.torch import save
    from torch import Tensor

    with warnings.catch_warnings(action="ignore"):
        from clip.model import CLIP

    from clipig_clip.checkpoint import checkpoint
    from clipig_clip.traits import OPENAI

    state = CLIP(8, 32, 1, 64, 16, 8, 49408, 8, 1, 1).state_dict() | dict.fromkeys(OPENAI, torch.tensor(1))
    state = {name: tensor.half().clone() for name, tensor in state.items()}
    changes: list[Callable[[Tensor], Any]] = [
        *(lambda x: x[:0], lambda x: x[:1], lambda x: x.double(), lambda x: x.int(), lambda x: x.to("meta")),
        *(
            lambda x: x * float("nan"),
            lambda x: x.to_sparse(),
            lambda x: x[None],
            lambda x: x.flatten(),
            lambda _: None,
        ),
        *(
            lambda _: {},
            lambda _: 3,
            lambda x: x.repeat(2, *[1] * (x.dim() - 1)),
            lambda x: x.float() + 1j,
            lambda x: x.bool(),
        ),
    ]

    def bytes_of(content: Any, suffix: str) -> bytes:
        if suffix == ".safetensors":
            return save({name: value for name, value in content.items() if isinstance(value, Tensor)})
        file = io.BytesIO()
        torch.save(content, file)
        return file.getvalue()

    while True:
        suffix = rng.choice((".pt", ".safetensors"))
        content, number = dict(state), rng.randrange(len(changes))
        name = rng.choice([*content])
        try:
            if rng.random() < 0.3:
                content[name] = changes[number](content[name])
            if rng.random() < 0.1:
                del content[name]
            whole = bytes_of(content, suffix)
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError):  # no such tensor, or none that can be saved
            continue
        broken = rng.choice((b"", b"\x80", bytes(100), whole[: rng.randrange(200)])) if rng.random() < 0.1 else whole
        broken = spoiled(broken, rng) if rng.random() < 0.6 and broken else broken

        def case(broken: bytes = broken, suffix: str = suffix) -> str:
            path = folder / f"own{suffix}"
            path.write_bytes(broken)
            try:
                encoder = checkpoint(str(path), torch.device("cpu"), torch.float32)
                encoder.encode_image(torch.rand(1, 3, encoder.image_size, encoder.image_size))
            except ClipigError as error:
                return told(error)
            return ""

        yield f"{suffix}: {name}, change {number}, {len(broken)} bytes", case


def pictures(rng: random.Random, folder: Path) -> Iterator[tuple[str, Case]]:
    """Images with other bytes, as pixels and as configs."""
    import torch
    from PIL import Image

    from clipig_core.imaging.images import FORMATS, read_image, to_image, to_png

    pixels = torch.rand(1, 3, 32, 40)
    good = {"config": to_png(pixels, CONFIG)}
    Image.init()
    for name in (*FORMATS, "ICO", "PPM", "TGA", "EPS"):
        file = io.BytesIO()
        to_image(pixels).save(file, name)
        good[name] = file.getvalue()
    while True:
        kind = rng.choice([*good])
        broken = spoiled(good[kind], rng)

        def case(broken: bytes = broken) -> str:
            path = folder / "a.png"
            path.write_bytes(broken)
            for reader in (read_image, read_file):
                try:
                    reader(str(path))
                except ClipigError as error:
                    if defect := told(error):
                        return defect
            return ""

        yield f"{kind}, {len(broken)} bytes", case


def kills(rng: random.Random, folder: Path) -> Iterator[tuple[str, Case]]:
    """Runs that are killed at some moment: what they leave is whole, and nothing of others is touched."""
    from PIL import Image

    warm(Registry())
    while True:
        after, interval = rng.uniform(0.01, 3.0), rng.choice(("1", "0.05", "0"))

        def case(after: float = after, interval: str = interval) -> str:
            work = Path(tempfile.mkdtemp(dir=folder))
            (work / "a.yaml").write_text(CONFIG)
            others = {"a.png": b"theirs", "a-1.yaml": b"theirs"}
            for name, content in others.items():
                (work / name).write_bytes(content)
            ended = forked(command("run", "a.yaml", "-s", interval), work, after)
            for name, content in others.items():
                if (work / name).read_bytes() != content:
                    return f"{name} was overwritten"
            made = {path.name for path in work.iterdir()} - {*others, "a.yaml"}
            parts = {name for name in made if name.endswith(".part")}
            if made - parts - {"a-2.png", "a-2.yaml"} or len(parts) > 1:
                return f"there is {sorted(made)}"
            if "a-2.png" in made:
                with Image.open(work / "a-2.png") as image:
                    image.load()
                read_file(str(work / "a-2.png"))
            if "a-2.yaml" in made:
                read_file(str(work / "a-2.yaml"))
            shutil.rmtree(work)
            return ended.defect((0, -9))

        yield f"after {after:.2f} s, snapshots every {interval}", case
