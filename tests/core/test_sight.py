from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from clipig_core.errors import RunError
from tests.core.support import AXES, LinearEncoder, run_of

HEAD = "device: cpu\nresolution: 12\nepochs: 3\nseed: 1\n"
MANY = """
targets:
- batch_size: 7
  select: best
  weight: 1 + sim / 50
  features: [{text: x}, {text: y, weight: 2 - sim / 100, loss: l2}]
  transforms: [{random_shift: 0 1}, {noise: .1}]
  constraints: [{blur: {weight: 1 + sim / 100}}, {mean: {above: .7}}]
- features: [{text: z}]
  batch_size: 3
- batch_size: 4
  select: mix
  features: [{text: x}, {text: z, weight: -.5}]
  transforms: [{random_crop: 9}]
- constraints: [border]
"""


def outcome_of(text: str) -> tuple[Tensor, list[float], list[int]]:
    encoder = LinearEncoder(AXES)
    run = run_of(HEAD + text, encoder)
    losses = [step.loss for step in run]
    return run.image, losses, encoder.passes


@pytest.mark.parametrize("chunk", [1, 2, 5, 8, 11])
def test_chunks_change_nothing_but_the_passes(chunk: int) -> None:
    whole, losses, passes = outcome_of(f"chunk: 12\n{MANY}")
    assert passes == [12, 12, 12]
    image, again, passes = outcome_of(f"chunk: {chunk}\n{MANY}")
    rest = [12 % chunk] if 12 % chunk else []
    assert passes == ([chunk] * (12 // chunk) + rest) * 3
    assert torch.allclose(image, whole, rtol=0, atol=1e-5)
    assert again == pytest.approx(losses, rel=1e-5)


class Hungry(LinearEncoder):
    """Saves many megabytes for each image."""

    def encode_image(self, images: Tensor) -> Tensor:
        blown_up = images.repeat(1, 100, 100, 1)
        return super().encode_image(images) + 0 * (blown_up * blown_up).sum((1, 2, 3))[:, None]


def test_auto_takes_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    per_image = 4 * 3 * 8 * 8 * 100 * 100
    monkeypatch.setattr("clipig_core.engine.encoding.CPU_BYTES", int(6.5 * 2 * per_image))
    encoder = Hungry(AXES)
    run = run_of(HEAD + "targets: [{batch_size: 20, features: [{text: x}], transforms: [{noise: .1}]}]", encoder)
    next(iter(run))
    assert encoder.passes[-4:] == [6, 6, 6, 2]


class Small(LinearEncoder):
    """A device on which `room` views fit into memory."""

    room = 0

    def encode_image(self, images: Tensor) -> Tensor:
        if len(images) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return super().encode_image(images)


def test_out_of_memory_halves_the_chunk_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    encoder = Small(AXES)
    encoder.room = 4
    run = run_of(f"{HEAD}chunk: 12\n{MANY}", encoder)
    with caplog.at_level(logging.WARNING, "clipig"):
        losses = [step.loss for step in run]
    assert encoder.passes == [3, 3, 3, 3] * 3
    assert [record.message for record in caplog.records] == [
        "out of memory: views now go through the model in chunks of at most 6"
    ]
    assert losses == pytest.approx(outcome_of(f"chunk: 12\n{MANY}")[1], rel=1e-5)


def test_no_room_for_one_view() -> None:
    run = run_of(f"{HEAD}chunk: 2\n{MANY}", Small(AXES))
    with pytest.raises(RunError, match="too little memory for one view"):
        next(iter(run))


def test_a_model_that_fails_is_named() -> None:
    class Broken(LinearEncoder):
        def encode_image(self, images: Tensor) -> Any:
            return images.nothing  # type: ignore[attr-defined]

    run = run_of(f"{HEAD}chunk: 2\n{MANY}", Broken(AXES))
    with pytest.raises(Exception, match=r"model 'ViT-B/32' of plugin 'clip' .* failed: AttributeError"):
        next(iter(run))
