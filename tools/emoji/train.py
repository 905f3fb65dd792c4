"""Train the emoji model from the registries to `emoji.safetensors`.

    python train.py clean     # 1. image tower as a classifier
    python train.py robust    # 2. the same under attack
    python train.py text      # 3. text tower towards the prototypes that step 1 learnt
    python train.py export    # 4. scores on unseen drawings; half precision, compact vocabulary

    python train.py judge     # after step 1, with another seed: a judge for `python -m benchmarks quality`

The image tower learns one prototype per concept and one per background colour; the adversarial part is what
makes its gradients paint shapes that people recognise (Santurkar et al. 2019, "Image synthesis with a single
(robust) classifier"). Every step is seeded; `run/log.jsonl` records what happened.
On a CPU, OMP_WAIT_POLICY=passive and MALLOC_MMAP_THRESHOLD_=4294967296 save much time that locks and page faults cost.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clip
import torch
import torch.nn.functional as F
from augment import BACKGROUNDS, augment
from captions import Captions
from clip.model import CLIP
from dataset import Dataset, build
from safetensors.torch import save_file
from torch import Tensor, nn

Encode = Callable[[Tensor], Tensor]

CONTEXT = 20
VOCABULARY = 49408
MODEL = {
    "embed_dim": 256,
    "image_resolution": 64,
    "vision_layers": (1, 1, 2, 1),
    "vision_width": 24,
    "vision_patch_size": None,
    "context_length": CONTEXT,
    "vocab_size": VOCABULARY,
    "transformer_width": 128,
    "transformer_heads": 2,
    "transformer_layers": 4,
}
TOWER = {  # the same, as the image tower's class wants it
    "layers": MODEL["vision_layers"],
    "output_dim": MODEL["embed_dim"],
    "heads": 12,
    "input_resolution": MODEL["image_resolution"],
    "width": MODEL["vision_width"],
}
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
BATCH = 96
RADIUS = 2.5  # of the attack, in L2 over all pixels in [0, 1]
DIRECTED = re.compile(r"\b(left|right|clockwise|index)\b")


class ImageTower(nn.Module):
    """The visual half of CLIP with a prototype for each concept and each background colour."""

    def __init__(self, concepts: int) -> None:
        super().__init__()
        self.visual = CLIP(**MODEL).visual  # type: ignore[arg-type]
        self.concepts = nn.Parameter(0.1 * torch.randn(concepts, 256))
        self.backgrounds = nn.Parameter(0.1 * torch.randn(len(BACKGROUNDS), 256))
        self.scale = nn.Parameter(torch.tensor(16.0))

    def loss(self, features: Tensor, concept: Tensor, background: Tensor) -> Tensor:
        scale = self.scale.clamp(5, 30)
        concepts = scale * features @ F.normalize(self.concepts, dim=-1).T
        backgrounds = scale * features @ F.normalize(self.backgrounds, dim=-1).T
        return F.cross_entropy(concepts, concept, label_smoothing=0.05) + 0.3 * F.cross_entropy(backgrounds, background)


def encode(visual: Encode, images: Tensor) -> Tensor:
    """[B, 3, 64, 64] in [0, 1] -> [B, 256], unit length."""
    with torch.autocast("cpu", torch.bfloat16):
        features = visual(((images - MEAN) / STD).contiguous(memory_format=torch.channels_last))
    return F.normalize(features.float(), dim=-1)


def frozen_twin(visual: nn.Module) -> nn.Module:
    """The same weights in evaluation mode, without gradients: what an attack differentiates through."""
    twin = copy.deepcopy(visual).eval().requires_grad_(False)
    for own, shared in zip(
        [*twin.parameters(), *twin.buffers()], [*visual.parameters(), *visual.buffers()], strict=True
    ):
        own.data = shared.data
    return twin


def attack(tower: ImageTower, visual: Encode, images: Tensor, labels: tuple[Tensor, Tensor], radius: Tensor) -> Tensor:
    """Images moved uphill in the loss by two steps of projected gradient, at most `radius` [B, 1, 1, 1] in L2."""
    delta = torch.zeros_like(images)
    for step in (0.75, 0.6):
        moved = (images + delta).requires_grad_()
        (gradient,) = torch.autograd.grad(tower.loss(encode(visual, moved), *labels), moved)
        delta = delta + step * radius * F.normalize(gradient.flatten(1), dim=1).view_as(gradient)
        length = delta.flatten(1).norm(dim=1).view(-1, 1, 1, 1).clamp(min=1e-9)
        delta = (images + delta * (radius / length).clamp(max=1)).clamp(0, 1) - images
    return images + delta


class Log:
    """One JSON object a line, to the file and to the terminal."""

    def __init__(self, folder: Path) -> None:
        self.file = (folder / "log.jsonl").open("a")
        self.start = time.time()

    def __call__(self, **values: Any) -> None:
        line = json.dumps({"minutes": round((time.time() - self.start) / 60, 2), **values})
        print(line, flush=True)
        print(line, file=self.file, flush=True)


def recall(features: Tensor, targets: Tensor, truth: Tensor) -> dict[str, float]:
    ranked = (features @ F.normalize(targets, dim=-1).T).topk(5, dim=-1).indices == truth[:, None]
    return {
        "R@1": round(100 * ranked[:, 0].float().mean().item(), 1),
        "R@5": round(100 * ranked.any(1).float().mean().item(), 1),
    }


@torch.no_grad()
def held_out_features(tower: ImageTower, data: Dataset) -> tuple[Tensor, Tensor]:
    """Features of the unseen drawings on white, in their usual pose, and their concepts."""
    chosen = torch.from_numpy(data.held_out).nonzero()[:, 0]
    plain = torch.zeros(len(chosen), dtype=torch.bool)
    pictures = torch.from_numpy(data.images)[chosen]
    views = augment(pictures, torch.zeros_like(chosen), plain, 0.0, torch.Generator().manual_seed(0))
    return encode(tower.visual.eval(), views), torch.from_numpy(data.concept)[chosen]


def train_image(args: argparse.Namespace, data: Dataset, log: Log) -> None:
    """Train tower and prototypes as a classifier (`clean`), or go on with the tower under attack (`robust`)."""
    robust = args.stage == "robust"
    steps, rate = (args.robust_steps, 1e-3) if robust else (args.clean_steps, 2e-3)
    torch.manual_seed(args.seed)
    rng = torch.Generator().manual_seed(args.seed)
    tower = ImageTower(len(data.labels)).train()
    if robust:
        tower.load_state_dict(torch.load(args.out / "clean.pt", weights_only=True))
    tower.visual.to(memory_format=torch.channels_last)
    visual, twin = torch.compile(tower.visual), torch.compile(frozen_twin(tower.visual))
    images, concepts = torch.from_numpy(data.images), torch.from_numpy(data.concept).long()
    pool = torch.from_numpy(~data.held_out).nonzero()[:, 0]
    may_mirror = torch.tensor([not DIRECTED.search(label) for label in data.labels])
    # Each concept equally often, however many sets draw it.
    weights = 1.0 / torch.bincount(concepts[pool])[concepts[pool]].float()
    optimizer = image_optimizer(tower, robust, rate)
    average = copy.deepcopy(tower)
    losses: list[Tensor] = []
    for step in range(steps):
        done = step / steps
        for group in optimizer.param_groups:
            group["lr"] = rate * schedule(step, steps)
        strength = 1.0 if robust else min(1.0, max(0.0, (done - 0.15) / 0.45))
        chosen = pool[torch.multinomial(weights, BATCH, replacement=True, generator=rng)]
        background = torch.randint(len(BACKGROUNDS), (BATCH,), generator=rng)
        labels = (concepts[chosen], background)
        views = augment(images[chosen], background, may_mirror[labels[0]], strength, rng, reshape=robust)
        if robust:
            radius = torch.rand(BATCH, 1, 1, 1, generator=rng) * RADIUS * min(1.0, 0.3 + 2 * done)
            views = attack(tower, twin, views, labels, radius)
        loss = tower.loss(encode(visual, views), *labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        follow(average, tower, step)
        if step % 250 == 249 or step == steps - 1:
            features, truth = held_out_features(average, data)
            mean_loss = round(torch.stack(losses).mean().item(), 3)
            scores = recall(features, average.concepts, truth)
            log(stage=args.stage, step=step + 1, loss=mean_loss, strength=round(strength, 2), **scores)
            losses.clear()
            torch.save(average.state_dict(), args.out / f"{args.stage}.pt")


def image_optimizer(tower: ImageTower, robust: bool, rate: float) -> torch.optim.Optimizer:
    """AdamW; no decay for biases, norms and prototypes; the prototypes stay as they are in the robust stage."""
    prototypes = [tower.concepts, tower.backgrounds, tower.scale]
    for parameter in prototypes:
        parameter.requires_grad_(not robust)
    decayed = [p for p in tower.visual.parameters() if p.dim() > 1]
    others = [p for p in tower.visual.parameters() if p.dim() <= 1] + [p for p in prototypes if p.requires_grad]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate)


def schedule(step: int, steps: int) -> float:
    """Warm-up, then half a cosine."""
    return min(1, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


@torch.no_grad()
def follow(average: nn.Module, tower: nn.Module, step: int) -> None:
    """Move a running average of all weights; it is what is scored and shipped."""
    decay = min(0.998, (1 + step) / (10 + step))
    for kept, now in zip(average.state_dict().values(), tower.state_dict().values(), strict=True):
        kept.lerp_(now, 1 - decay) if kept.is_floating_point() else kept.copy_(now)


class TextTower:
    """The textual half of CLIP over a compact vocabulary: the tokens that occur, and one for all others."""

    def __init__(self, captions: Captions) -> None:
        self.model = CLIP(**MODEL)  # type: ignore[arg-type]
        self.tokens = clip.tokenize(captions.everything(), context_length=CONTEXT, truncate=True).unique()
        self.index = torch.full((VOCABULARY,), len(self.tokens))
        self.index[self.tokens] = torch.arange(len(self.tokens))
        width = self.model.ln_final.weight.shape[0]
        self.model.token_embedding = nn.Embedding(len(self.tokens) + 1, width, padding_idx=len(self.tokens))
        nn.init.normal_(self.model.token_embedding.weight[:-1], std=0.02)
        # The end of a text is where its feature is read; CLIP finds it as the largest token.
        self.end = int(self.index[VOCABULARY - 1])

    def parameters(self) -> list[nn.Parameter]:
        return [
            p for name, p in self.model.named_parameters() if not name.startswith("visual") and name != "logit_scale"
        ]

    def features(self, texts: list[str], forget: float = 0.0) -> Tensor:
        """N texts -> [N, 256], unit length; a share `forget` of the words is replaced by the unknown token."""
        tokens = self.index[clip.tokenize(texts, context_length=CONTEXT, truncate=True)]
        first, last = tokens == self.index[VOCABULARY - 2], tokens == self.end
        forgotten = (torch.rand(tokens.shape) < forget) & ~first & ~last & (last.cumsum(1) == 0)
        tokens = tokens.masked_fill(forgotten, len(self.tokens))
        model = self.model
        x = model.token_embedding(tokens) + model.positional_embedding
        x = model.ln_final(model.transformer(x.permute(1, 0, 2)).permute(1, 0, 2))
        return F.normalize(x[torch.arange(len(x)), last.float().argmax(1)] @ model.text_projection, dim=-1)


def train_text(args: argparse.Namespace, data: Dataset, log: Log) -> None:
    torch.manual_seed(args.seed)
    prototypes = torch.load(args.out / "clean.pt", weights_only=True)
    concepts, backgrounds = (F.normalize(prototypes[name], dim=-1) for name in ("concepts", "backgrounds"))
    captions = Captions(data.labels, data.tags, args.seed)
    tower = TextTower(captions)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=1e-3, weight_decay=0.01)
    for step in range(args.text_steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * schedule(step, args.text_steps)
        batch = [captions.draw() for _ in range(args.text_batch)]
        wanted = torch.zeros(len(batch), len(concepts))
        for row, caption in enumerate(batch):
            wanted[row, list(caption.concepts)] = 1 / len(set(caption.concepts))
        place = torch.tensor([caption.background for caption in batch])
        direction = F.normalize(wanted @ concepts, dim=-1)
        direction = F.normalize(direction + 0.5 * (place >= 0)[:, None] * backgrounds[place], dim=-1)
        features = tower.features([caption.text for caption in batch], forget=0.05)
        away = (1 - (features * direction).sum(1)).mean()
        loss = 10 * away + F.cross_entropy(16 * features @ concepts.T, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 250 == 249 or step == args.text_steps - 1:
            with torch.no_grad():
                own = recall(tower.features(captions.labels), concepts, torch.arange(len(concepts)))
            log(stage="text", step=step + 1, loss=round(loss.item(), 3), away=round(away.item(), 3), labels=own)
            torch.save({"model": tower.model.state_dict(), "tokens": tower.tokens}, args.out / "text.pt")


def export(args: argparse.Namespace, data: Dataset, log: Log) -> None:
    tower = ImageTower(len(data.labels))
    tower.load_state_dict(torch.load(args.out / "robust.pt", weights_only=True))
    saved = torch.load(args.out / "text.pt", weights_only=True)
    text = TextTower(Captions(data.labels, data.tags, args.seed))
    text.model.load_state_dict(saved["model"])
    with torch.no_grad():
        words = text.features([label.lower() for label in data.labels])
    features, truth = held_out_features(tower, data)
    log(stage="export", prototypes=recall(features, tower.concepts, truth), text=recall(features, words, truth))
    state = {f"visual.{name}": tensor for name, tensor in tower.visual.state_dict().items()}
    state |= {name: tensor for name, tensor in saved["model"].items() if not name.startswith("visual")}
    state["logit_scale"] = tower.scale.detach().clamp(5, 30).log()
    state["token_embedding.weight"] = state["token_embedding.weight"][:-1]
    state = {name: tensor.half().contiguous() for name, tensor in state.items() if tensor.is_floating_point()}
    state["token_embedding.tokens"] = saved["tokens"].int()
    save_file(state, args.out / "emoji.safetensors", metadata={"format": "pt"})
    log(megabytes=round((args.out / "emoji.safetensors").stat().st_size / 1e6, 2))


def judge(args: argparse.Namespace, data: Dataset, log: Log) -> None:
    """The classifier alone, with the words of its classes."""
    tower = ImageTower(len(data.labels)).eval()
    tower.load_state_dict(torch.load(args.out / "clean.pt", weights_only=True))
    features, truth = held_out_features(tower, data)
    log(stage="judge", **recall(features, tower.concepts, truth))
    state = {name: tensor.contiguous() for name, tensor in tower.visual.state_dict().items()}
    state |= {"concepts": F.normalize(tower.concepts.detach(), dim=1), "scale": tower.scale.detach().clamp(5, 30)}
    about = {"labels": [label.lower() for label in data.labels], "tags": data.tags, "tower": TOWER}
    metadata = {name: json.dumps(value) for name, value in about.items()}
    save_file(state, args.out / "judge.safetensors", metadata={"format": "pt", **metadata})


STAGES = {"clean": train_image, "robust": train_image, "text": train_text, "export": export, "judge": judge}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("--out", type=Path, default=Path("run"), help="checkpoints, log and weights")
    parser.add_argument("--data", type=Path, default=Path("data"), help="downloads and rendered pictures")
    parser.add_argument("--seed", type=int, default=1, help="of the split, the weights and the order")
    parser.add_argument("--clean-steps", type=int, default=8000)
    parser.add_argument("--robust-steps", type=int, default=5000)
    parser.add_argument("--text-steps", type=int, default=3000)
    parser.add_argument("--text-batch", type=int, default=96)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    log = Log(args.out)
    log(**{k: str(v) for k, v in vars(args).items()})
    STAGES[args.stage](args, build(args.data, args.seed), log)


if __name__ == "__main__":
    main()
