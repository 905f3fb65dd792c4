"""Too little memory: said before it is taken, or survived."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clipig_core import machine
from clipig_core.engine.canvas import cover
from clipig_core.engine.memory import available, out_of_memory
from clipig_core.errors import InputError, PluginError, RunError
from clipig_core.imaging.resample import resample
from clipig_core.runner.execute import execute

from .support import AXES, SIZE, LinearEncoder, run_of

HEAD = f"resolution: {SIZE}\nepochs: 6\nseed: 1\nmodel: emoji\n"
CPU = torch.device("cpu")


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten megabytes."""
    monkeypatch.setattr(machine, "_machine", lambda _: iter([10_000_000]))


@pytest.mark.usefixtures("little")
def test_a_picture_that_is_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(InputError) as caught:
        run_of(HEAD.replace("resolution: 8", "resolution: 4000 2000"))
    (problem,) = caught.value.problems
    assert (problem.place and problem.place.line) == 1
    assert problem.message == "a picture of 4000x2000 pixels needs about 864.0 MB of memory, and 10.0 MB are free"
    assert problem.hint == "430x215 would fit"
    assert run_of(HEAD.replace("resolution: 8", "resolution: 430 215")).resolution == (430, 215)


@pytest.mark.usefixtures("little")
def test_an_optimizer_that_remembers_less_makes_larger_pictures() -> None:
    with pytest.raises(InputError, match=r"345x345 would fit"):
        run_of(HEAD.replace("resolution: 8", "optimizer: sgd\nresolution: 600"))


@pytest.mark.usefixtures("little")
def test_views_that_are_too_many_are_refused_before_they_are_made() -> None:
    target = "targets: [{batch_size: 9000, constraints: [blur], transforms: [{noise: .1}]}]"
    with pytest.raises(InputError) as caught:
        run_of(HEAD + target)
    (problem,) = caught.value.problems
    assert str(problem.place) == "test.yaml:5:24"
    assert problem.hint == "6510 would fit"
    assert run_of(HEAD + target.replace("{noise: .1}", "blur"))  # all of them are the same one


@pytest.mark.usefixtures("little")
def test_a_picture_that_grows_too_large_is_kept_as_it_was() -> None:
    text = HEAD.replace("resolution: 8", "resolution: 8 if epoch < 3 else 4000")
    result = execute(run_of(text + "targets: [{features: [{text: x}]}]", LinearEncoder(AXES)))
    assert "a picture of 4000x4000 pixels needs" in str(result.error)
    assert result.run.done == 3
    assert result.image.shape == (1, 3, 8, 8)
    assert torch.equal(result.image, result.run.image)


class Full(LinearEncoder):
    """Has memory for so many views, as a CPU says it."""

    most = 2

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7200000 bytes.")
        return super().encode_image(images)


def test_a_cpu_without_memory_takes_smaller_chunks_and_paints_the_same() -> None:
    text = HEAD + "chunk: 8\ntargets: [{batch_size: 8, features: [{text: x}], transforms: [{random_shift: 0 1}]}]"
    small, whole = run_of(text, Full(AXES)), run_of(text, LinearEncoder(AXES))
    list(small)
    list(whole)
    assert small.encoders["emoji"].chunk == 2
    torch.testing.assert_close(small.image, whole.image)


class Saving(LinearEncoder):
    """One whose graph keeps what it has computed, as those of networks do."""

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return super().encode_image(images.sigmoid().tanh())


def test_a_run_that_is_over_leaves_no_tensors() -> None:
    text = HEAD + "targets: [{batch_size: 9, features: [{text: x}], transforms: [{random_shift: 0 1}]}]"

    def left() -> int:
        list(run_of(text, Saving(AXES)))
        gc.collect()
        return sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    left()
    assert left() == left()


def test_no_memory_for_a_single_view_is_one_message_and_keeps_the_picture() -> None:
    encoder = Full(AXES)
    run = run_of(HEAD + "targets: [{features: [{text: x}]}]", encoder)
    run.step()
    encoder.most = 0
    result = execute(run)
    assert str(result.error) == "there is too little memory for 7.2 MB for one view in the model"
    assert result.run.done == 1
    assert result.image.isfinite().all()


def test_no_memory_elsewhere_is_one_message_and_keeps_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(HEAD + "targets: [{constraints: [blur]}]\npostproc: [{mul: .9}]")
    run.step()
    before = run.image

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 30000 bytes.")

    component = run.plan.targets[0].constraints[0].use.component
    monkeypatch.setattr(component, "function", full)
    with pytest.raises(RunError, match=r"^epoch 1: there is too little memory for 30000 bytes; a smaller"):
        run.step()
    assert torch.equal(run.image, before)


def test_what_means_that_there_is_no_memory() -> None:
    for error in (torch.OutOfMemoryError(), MemoryError(), RuntimeError("[enforce fail] not enough memory: you")):
        assert out_of_memory(error)
        wrapped = PluginError("model failed")
        wrapped.__cause__ = error
        assert out_of_memory(wrapped)
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not out_of_memory(None)


def test_what_is_there_is_the_least_of_all_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    there = available(CPU)
    assert there is not None
    assert 10_000_000 < there < 10**14
    run = run_of(HEAD + "targets: [{features: [{text: x}]}]", LinearEncoder(AXES))
    monkeypatch.setattr(machine, "_memory_of_groups", lambda: iter([2400]))
    assert available(CPU) == 2400
    assert run.encoders["emoji"]._budget() == 1200


@pytest.mark.parametrize("side", [4000, 60_000])
def test_a_long_image_costs_what_its_crop_costs(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(images: torch.Tensor, width: int, height: int, interpolation: str = "cubic") -> torch.Tensor:
        sizes.append(width * height)
        return resample(images, width, height, interpolation)

    monkeypatch.setattr("clipig_core.engine.canvas.resample", counted)
    stripes = (torch.arange(side) % 2).float().expand(3, 1, side)
    for image in (stripes, stripes.mT):
        assert cover(image, 224, 224).shape == (1, 3, 224, 224)
    assert max(sizes) < 224 * 224 * 20


@pytest.mark.parametrize(("width", "height"), [(90, 31), (31, 90), (64, 64), (7, 50), (301, 40)])
@pytest.mark.parametrize(("to_width", "to_height"), [(32, 32), (48, 20), (100, 100)])
def test_what_is_cut_off_before_scaling_is_not_missed(width: int, height: int, to_width: int, to_height: int) -> None:
    """Scaled as a whole and cropped then; within half a pixel, as sizes are whole numbers."""
    across, down = torch.linspace(0, 0.5, width)[None], torch.linspace(0, 0.5, height)[:, None]
    image = (across + down).expand(3, height, width)
    scale = max(to_width / width, to_height / height)
    scaled = (max(to_width, round(width * scale)), max(to_height, round(height * scale)))
    left, top = (scaled[0] - to_width) // 2, (scaled[1] - to_height) // 2
    whole = resample(image[None], *scaled).clamp(0, 1)[:, :, top : top + to_height, left : left + to_width]
    step = 1 / min(width, height) / scale
    torch.testing.assert_close(cover(image, to_width, to_height), whole, rtol=0, atol=step)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of the address space is of Linux")
@pytest.mark.parametrize("refused", [True, False], ids=["foreseen", "met"])
def test_six_gigabytes(tmp_path: Path, refused: bool) -> None:
    """The picture of the epochs before it grows beyond all memory is there, whether that was foreseen or not."""
    blind = "" if refused else "from clipig_core.engine import memory; memory.available = lambda _: None; "
    blind += "" if refused else "from clipig_core.engine import encoding; encoding.available = lambda _: None; "
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30)); {blind}"
    (tmp_path / "a.yaml").write_text(
        "resolution: 64 if epoch < 5 else 16384\nepochs: 9\ncanvas: pyramid\ntargets: [{constraints: [blur]}]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}from clipig_cli import main; main()", "run", "a.yaml", "-o", "x.png"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.strip() == "x.png"
    assert done.returncode == 1, done.stderr
    assert "a picture of 16384x16384 pixels needs" in done.stderr or "there is too little memory for" in done.stderr
    assert re.search(r"# seed \d+, 5 of 9 epochs", (tmp_path / "x.yaml").read_text())


def test_a_resize_that_fails_changes_nothing() -> None:
    """Some planes of a pyramid are larger by then."""
    grows = "canvas: pyramid\nresolution: 8 if epoch < 2 else 16"
    run = run_of(HEAD.replace(f"resolution: {SIZE}", grows) + "targets: [{constraints: [blur]}]")
    run.step()
    run.step()
    before, planes = run.image, list(run.canvas.parameters())

    def fails(width: int, height: int, interpolation: str) -> None:
        planes[0].data = torch.zeros(1, 3, 2, 2)
        raise MemoryError

    run.canvas.resize = fails  # type: ignore[method-assign]
    with pytest.raises(RunError, match="epoch 2: there is too little memory"):
        run.step()
    assert torch.equal(run.image, before)
