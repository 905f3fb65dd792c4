"""Builds what the photo models know of drawings: `python tools/words/draw.py FOLDER`, which caches drawings there.

For each emoji that `drawn.txt` names and each net, the direction of its features that tells drawings of this thing from
those of all others and from differences between drawings of one thing (Fisher's linear discriminant, with shrinkage).
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from build import drawings
from safetensors.torch import save_file
from torch import Tensor

from clipig_photo.model import SHA256, PhotoEncoder, load

sys.path.insert(0, str(Path(__file__).parents[1] / "emoji"))
from dataset import Dataset, build

FILE = Path(__file__).parents[2] / "plugins" / "clipig_photo" / "drawings.safetensors"
SIDES = (112, 128, 144)
"""Of the views, one of each for a drawing."""


def main() -> None:
    """Write the file: int8 [N, 1280] for each net, in the order of `drawn.txt`; about 15 minutes."""
    data = build(Path(sys.argv[1]), 2)
    numbers = [data.labels.index(name) for name in drawings()]
    tensors = {}
    for net in SHA256:
        found = directions(features(net, data), torch.tensor(data.concept))[numbers]
        tensors[net] = (found / found.abs().amax(1, keepdim=True) * 127).round().to(torch.int8)
    save_file(tensors, FILE, {"names": json.dumps(drawings())})
    print("SHA-256:", hashlib.sha256(FILE.read_bytes()).hexdigest())


@torch.no_grad()
def features(net: str, data: Dataset) -> Tensor:
    """What the net sees in each drawing, turned and scaled a little before plain colours: [N, 3, 1280], of length 1."""
    torch.manual_seed(0)
    encoder = PhotoEncoder([load(net)], torch.device("cpu"), torch.float32)
    images = torch.from_numpy(data.images).float().permute(0, 3, 1, 2) / 255
    views = [[_seen(encoder, some, view) for some in images.split(64)] for view in range(len(SIDES))]
    return torch.stack([torch.cat(one) for one in views], 1)


def _seen(encoder: PhotoEncoder, drawn: Tensor, view: int) -> Tensor:
    count, side = len(drawn), SIDES[view]
    plain = torch.rand(count, 3, 1, 1) * 0.8 + 0.15
    if view == 0:
        plain = plain.mean(1, keepdim=True).expand(count, 3, 1, 1)
    zoom, angle = torch.empty(count).uniform_(1.05, 1.5), torch.empty(count).uniform_(-0.2, 0.2)
    x, y = torch.empty(count).uniform_(-0.1, 0.1), torch.empty(count).uniform_(-0.1, 0.1)
    rows = [[zoom * angle.cos(), -zoom * angle.sin(), x], [zoom * angle.sin(), zoom * angle.cos(), y]]
    look = torch.stack([torch.stack(row, 1) for row in rows], 1)
    if view == 1:
        look[:, :, 0] *= -1
    premultiplied = torch.cat([drawn[:, :3] * drawn[:, 3:], drawn[:, 3:]], 1)
    premultiplied = F.interpolate(premultiplied, (side, side), mode="bilinear", antialias=True)
    grid = F.affine_grid(look, (count, 4, side, side), align_corners=False)
    moved = F.grid_sample(premultiplied, grid, align_corners=False)
    image = moved[:, :3] + plain * (1 - moved[:, 3:])
    return encoder.encode_image(image + 0.03 * torch.randn_like(image))


def directions(seen: Tensor, concept: Tensor) -> Tensor:
    """Features [N, V, D] of drawings and which of C concepts each shows -> [C, D], of length 1."""
    seen = F.normalize(seen, dim=2)
    size = seen.shape[2]
    means = torch.zeros(int(concept.max()) + 1, size).index_add_(0, concept, seen.mean(1))
    means /= concept.bincount()[:, None]
    within = (seen - means[concept][:, None]).reshape(-1, size)
    spread = within.T @ within / len(within)
    shrunk = spread + spread.trace() / size * torch.eye(size)
    return F.normalize(torch.linalg.solve(shrunk, (means - means.mean(0)).T).T, dim=1)


if __name__ == "__main__":
    main()
