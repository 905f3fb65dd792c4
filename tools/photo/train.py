"""Train the robust photo models: `python tools/photo/train.py FOLDER`, an hour for each net on one core.

    python tools/photo/train.py FOLDER                                               # from the published weights
    python tools/photo/train.py FOLDER --go-on --rate 5e-4 --steps 6200 --net lite0  # from the shipped ones
    python tools/photo/train.py FOLDER --go-on --rate 5e-4 --steps 5000 --net lite1

A net goes on from its published weights, or from where this script was before. It is to see in a small picture, changed
by an attack, what the net as it was published sees in the whole one: the same direction of features, the same classes.
So it needs no labels, and its features keep their meaning. Without attacks, the gradient of such a net is a fine noise
that changes what the net sees and nobody else; now it has to draw shapes (Santurkar et al. 2019, "Image synthesis with
a single (robust) classifier"; the loss is that of Schlarmann et al. 2024, "Robust CLIP", with classes beside features).

The pictures are those of `pictures.py`, the result is `plugins/clipig_photo/robust.safetensors`. The file that is
there was made by the last two commands, from one that a forerunner of this script had made in several goes, 5,700 steps
for lite0 and 4,000 for lite1, with the same losses and attacks, and no drawings. The first 2,100 steps of lite0 were
under attacks of twice the radius, which cost it knowledge.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from pictures import Pictures, collect
from safetensors.torch import save_file
from torch import Tensor, nn

from clipig_photo import lite
from clipig_photo.model import load

FILE = Path(__file__).parents[2] / "plugins" / "clipig_photo" / "robust.safetensors"
NETS = ("lite0", "lite1")
WHOLE = 144
"""Side in pixels of what the published net sees."""

SIDES = (64, 72, 80, 88, 96, 104, 112, 128)
"""Of what the trained one sees, the smaller ones more often."""

BATCH, RATE = 32, 7e-4
RADIUS = 0.006
"""Of the strongest attacks, as the root of the mean of squares over all pixels in [0, 1]."""

SHARPNESS = 20.0
"""What cosines are multiplied by before the softmax over all things that the nets know."""


def main() -> None:
    """Train both nets, one after the other, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where downloads and weights are kept")
    parser.add_argument("--net", choices=NETS, help="only this one; the file is written when all have been trained")
    parser.add_argument("--go-on", action="store_true", help="from the weights that are shipped")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    data = collect(args.folder)
    for net in [args.net] if args.net else NETS:
        torch.manual_seed(args.seed)
        torch.save(train(net, data, args.steps, args.rate, args.go_on), args.folder / f"{net}.pt")
    files = {net: args.folder / f"{net}.pt" for net in NETS}
    if all(file.exists() for file in files.values()):
        write({net: torch.load(file, weights_only=True) for net, file in files.items()})


def write(states: dict[str, dict[str, Tensor]]) -> None:
    """All weights but those of classes and drawings, which stay as they are, in half precision."""
    tensors = {
        f"{net}.{name}": tensor.half().contiguous()
        for net, state in states.items()
        for name, tensor in state.items()
        if name not in ("classes", "bias", "drawn")
    }
    save_file(tensors, FILE, {"format": "pt"})
    print("SHA-256:", hashlib.sha256(FILE.read_bytes()).hexdigest())


def train(net: str, data: Pictures, steps: int, rate: float, go_on: bool) -> dict[str, Tensor]:
    """The state of a net after that many steps, averaged over the last of them."""
    published = load(net)
    published.multiply_in(torch.bfloat16)
    trained = trainable(load(net, robust=go_on))
    average = copy.deepcopy(trained.state_dict())
    looks = F.normalize(published.looks(), dim=1)
    optimizer = torch.optim.Adam(trained.parameters(), rate, betas=(0.9, 0.99))
    start, losses = time.time(), 0.0
    for step in range(steps):
        done = step / steps
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 150) * (0.515 + 0.485 * math.cos(math.pi * done))
        if step % 2 == 0:
            whole = views(data)
            with torch.no_grad():
                wanted = F.normalize(published(whole), dim=1)
        else:
            whole = whole.flip(3)  # which shows the same, so the published net need not be asked again
        images, radius = shrunk(whole, 1.0 if go_on else min(1.0, 0.2 + 3 * done))
        loss = away(trained, attacked(trained, images, wanted, looks, radius), wanted, looks).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        follow(average, trained, step)
        losses += loss.item()
        if step % 100 == 99:
            print(f"{net} {step + 1} {(time.time() - start) / 60:.1f} min: {losses / 100:.3f}", flush=True)
            losses = 0.0
    return average


def trainable(net: lite.Lite) -> lite.Lite:
    """The same with parameters for buffers, and products of matrices in bfloat16 of weights in float32."""
    for part in net.modules():
        if isinstance(part, lite.Convolution | lite.Product):
            for name in ("weight", "bias"):
                buffer = getattr(part, name)
                delattr(part, name)
                part.register_parameter(name, nn.Parameter(buffer))
        if isinstance(part, lite.Product):
            part.forward = _product.__get__(part)
    return net


def _product(self: lite.Product, images: Tensor) -> Tensor:
    weight, bias = self.weight.bfloat16(), self.bias.bfloat16()
    return F.linear(images.permute(0, 2, 3, 1).bfloat16(), weight, bias).permute(0, 3, 1, 2)


def away(net: lite.Lite, images: Tensor, wanted: Tensor, looks: Tensor) -> Tensor:
    """[B]: how far what a net sees is from what is wanted, [B, 1280], as a direction and as one of all `looks`."""
    seen = F.normalize(net(images), dim=1)
    right, found = (SHARPNESS * features @ looks.T for features in (wanted, seen))
    classes = (right.softmax(1) * (right.log_softmax(1) - found.log_softmax(1))).sum(1)
    return 2 * (1 - (seen * wanted).sum(1)) + 0.5 * classes


def attacked(net: lite.Lite, images: Tensor, wanted: Tensor, looks: Tensor, radius: Tensor) -> Tensor:
    """The images, moved away by two steps of projected gradient from a random start, at most `radius` [B, 1, 1, 1]."""
    net.requires_grad_(False)
    moved = torch.randn_like(images)
    moved = moved / length(moved) * radius * torch.rand(len(images), 1, 1, 1)
    for step in (0.9, 0.6):
        there = (images + moved).requires_grad_()
        (gradient,) = torch.autograd.grad(away(net, there, wanted, looks).sum(), there)
        moved = moved + step * radius * gradient / length(gradient)
        moved = (images + moved * (radius / length(moved)).clamp(max=1)).clamp(0, 1) - images
    net.requires_grad_(True)
    return (images + moved).detach()


def length(images: Tensor) -> Tensor:
    """[B, ...] -> [B, 1, 1, 1], more than 0."""
    return images.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)


def shrunk(whole: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Views in a smaller size that is drawn, with noise; and how far each may be moved, [B, 1, 1, 1]."""
    odds = torch.tensor([0.15] * 5 + [0.1] * 2 + [0.05])
    side = SIDES[int(torch.multinomial(odds, 1))]
    images = F.interpolate(whole, (side, side), mode="bilinear", antialias=True)
    images = images + torch.randn_like(images) * uniform(0, 0.08)
    return images.clamp(0, 1), uniform(0.1, 1) * RADIUS * strength * math.sqrt(3 * side * side)


def views(data: Pictures) -> Tensor:
    """[B, 3, S, S]: two thirds are cut-outs before photographs, blurs and plain colours, the others photographs."""
    behind = placed(some(data.photographs), uniform(0.3, 1), 0.3, 0.3, "reflection")
    blurred = F.interpolate(F.avg_pool2d(behind, WHOLE // 6), (WHOLE, WHOLE), mode="bicubic")
    plain = torch.rand(BATCH, 3, 1, 1)
    kind = uniform(0, 1)
    behind = torch.where(kind < 0.35, behind, torch.where(kind < 0.6, blurred, plain))
    things = data.cut_outs[torch.multinomial(data.weights, BATCH, replacement=True)].float() / 255
    things = torch.cat([things[:, :3] * things[:, 3:], things[:, 3:]], 1)
    things = placed(things, uniform(0.7, 2), 0.35, 0.4, "zeros")
    images = behind * (1 - things[:, 3:]) + things[:, :3]
    photographs = placed(some(data.photographs[data.whole]), uniform(0.5, 1.3), 0.3, 0.25, "zeros")
    images = torch.where(uniform(0, 1) < 0.35, photographs, images)
    tints = uniform(-0.1, 0.1) + torch.rand(BATCH, 3, 1, 1) * 0.12 - 0.06
    return ((images - 0.5) * uniform(0.7, 1.25) + 0.5 + tints).clamp(0, 1)


def some(images: Tensor) -> Tensor:
    """[B, C, H, W] in [0, 1]."""
    return images[torch.randint(len(images), (BATCH,))].float() / 255


def placed(images: Tensor, scale: Tensor, offset: float, angle: float, outside: str) -> Tensor:
    """[B, C, H, W] -> [B, C, S, S]: seen from drawn places, half of them mirrored; `scale` is the side seen."""
    scale, turned = scale.flatten(), uniform(-angle, angle).flatten()
    x, y = uniform(-offset, offset).flatten(), uniform(-offset, offset).flatten()
    flip = torch.randint(2, (BATCH,)) * 2 - 1
    cosine, sine = turned.cos() * scale, turned.sin() * scale
    rows = [[cosine * flip, -sine, x], [sine * flip, cosine, y]]
    matrix = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(matrix, [BATCH, images.shape[1], WHOLE, WHOLE], align_corners=False)
    return F.grid_sample(images, grid, padding_mode=outside, align_corners=False)


def uniform(low: float, high: float) -> Tensor:
    """[B, 1, 1, 1]."""
    return torch.rand(BATCH, 1, 1, 1) * (high - low) + low


@torch.no_grad()
def follow(average: dict[str, Tensor], net: nn.Module, step: int) -> None:
    """Move a running average of all weights; it is what is shipped."""
    decay = min(0.998, step / (step + 10))
    for name, tensor in net.state_dict().items():
        average[name].lerp_(tensor, 1 - decay)


if __name__ == "__main__":
    main()
