"""Judging pictures: how similar they are to texts and to other pictures, for a model; remembered by content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clipig_core import ClipigError, RunError
from clipig_core.kit import (
    Document,
    Encoder,
    Node,
    Place,
    Plan,
    Registry,
    check,
    find_device,
    find_precision,
    prepare,
    read_image,
    save,
)

PLACE = Place("--model")


def cache_folder() -> Path:
    """Where features are remembered."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clipig" / "features"


class Judge:
    """A model that compares whole pictures with texts and with each other. It is loaded when it is needed.

    Raises:
        InputError: there is no such model.
    """

    def __init__(self, model: str, registry: Registry) -> None:
        document = Document(Node({"model": Node(model, PLACE)}, PLACE, {"model": PLACE}))
        self.plan: Plan = check(document.filled(), registry)
        self.use = self.plan.choices["model"]
        self.device = find_device(self.plan)
        self.dtype = find_precision(self.plan, self.device)

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.use.name

    @cached_property
    def encoder(self) -> Encoder:
        """The model itself."""
        with self.use.component.calling(PLACE):
            made: Encoder = self.use.component.function(self.use.name, self.device, self.dtype, **self.use.fixed)
        return made

    def similarities(self, picture: Path, wanted: Iterable[Tensor]) -> list[float]:
        """100 times the cosine between a picture and each wanted feature [D], as in the statistics of a run.

        Raises:
            InputError: the picture cannot be read.
        """
        feature = self.picture(picture)
        return [100 * float(feature @ other) for other in wanted]

    def picture(self, path: Path) -> Tensor:
        """The feature [D] of a picture, of unit length.

        Raises:
            InputError: the picture cannot be read.
        """

        def encode() -> Tensor:
            image = read_image(str(path))[None].to(self.device)
            return self.encoder.encode_image(prepare(self.encoder, image))[0]

        try:
            content = path.read_bytes()
        except OSError:
            content = b""  # as `read_image` will say
        return self._remembered(b"picture" + content, encode)

    def text(self, text: str) -> Tensor:
        """The feature [D] of a text, of unit length.

        Raises:
            InputError: the model knows none of its words.
        """
        return self._remembered(b"text" + text.encode(), lambda: self.encoder.encode_text([text])[0])

    @torch.no_grad()
    def _remembered(self, content: bytes, encode: Callable[[], Tensor]) -> Tensor:
        path = cache_folder() / self._key / f"{hashlib.sha256(content).hexdigest()}.f32"
        try:
            return torch.from_numpy(np.frombuffer(path.read_bytes(), np.float32).copy())
        except (OSError, ValueError):
            pass
        with self.use.component.calling(PLACE):
            feature = torch.nn.functional.normalize(encode().float().cpu(), dim=0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, feature.numpy().tobytes())
        except (OSError, RunError):
            pass  # nothing is lost but time
        return feature

    @cached_property
    def _key(self) -> str:
        """What features depend on beside the content: model, its file, version, device and precision."""
        file = Path(self.use.name)
        state = (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else ()
        plugin = self.use.component.plugin
        parts = (
            self.use.name,
            self.use.fixed,
            state,
            plugin.distribution,
            plugin.version,
            self.device.type,
            self.dtype,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def texts_of(plan: Plan) -> list[str]:
    """What the targets of a plan say in words, each once, without what they push away."""
    found = [
        str(feature.source.values["value"].source)
        for target in plan.targets
        for feature in target.features
        if feature.source.name == "text" and not str(feature.section["weight"].source).startswith("-")
    ]
    return list(dict.fromkeys(found))


def models_of(plan: Plan) -> set[str]:
    """The models that paint for a plan, also those inside of others."""
    models = (target.model or plan.choices["model"] for target in plan.targets if target.features)
    return {inner.name for use in models for inner in use.all()}


def painted(judge: str, painters: set[str]) -> bool:
    """Whether a model is one of the painters, or part of one, as `photo-lite0` is of `photo`."""
    return any(judge.startswith(painter) or painter.startswith(judge) for painter in painters)


def plan_of(picture: Path, registry: Registry) -> Plan | None:
    """How a picture was made, if it says so."""
    try:
        return check(Document.read([str(picture)], {}, registry).filled(), registry)
    except ClipigError:
        return None
