"""The reference shows what each transform and constraint does."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from torch import Tensor

from clipig_core.extension.registry import Registry

ROOT = Path(__file__).parents[2]
KINDS = ("transform", "constraint")
BUILT_IN = [c for plugin in Registry().plugins if plugin.built_in for c in plugin.components if c.kind in KINDS]
NAMES = [(c.kind, c.name) for c in BUILT_IN if c.name != "mask"]  # it changes gradients, and by an image of the user's
WITHOUT_EFFECT = {("constraint", "noise")}  # image and noisy image move alike, so that its gradient is zero
FAINT = {
    ("transform", "less_purple"): 0.0002,  # the drawing has hardly any
    ("transform", "fnoise"): 0.005,  # its noise is along the channels
}
SOME = {("transform", "random_apply"), ("transform", "random_flip")}  # leave other views as they are
VISIBLE = 0.02  # mean difference of values


@pytest.fixture(scope="module")
def pictures() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "_ext"))
        yield importlib.import_module("clipig_pictures")


@pytest.fixture(scope="module")
def reference(pictures: ModuleType) -> Any:
    return importlib.import_module("clipig_reference")


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_a_figure_of_each_and_one_of_all(pictures: Any, reference: Any, tmp_path: Path, kind: str) -> None:
    text = reference.expand((ROOT / "docs" / "reference" / f"{kind}s.md").read_text("utf-8"))
    page = pictures.expand(text, tmp_path, ROOT / "docs")
    figures = re.findall(r"^```{figure} /(\S+)\n:alt: (.+)\n\n(.*)\n```$", page, re.MULTILINE)
    names = sorted(name for same, name in NAMES if same == kind)
    assert [Path(file).name for file, *_ in figures] == [f"{kind}-{name}.png" for name in ("sheet", *names)]
    for name, (file, alt, caption) in zip(("", *names), figures, strict=True):
        path = (ROOT / "docs" / file).resolve()
        assert path.parent == tmp_path.resolve()
        with Image.open(path) as picture:
            assert picture.width > pictures.SIZE  # something stands beside the original
        assert all(shown in alt for shown in ([name] if name else names))
        assert caption.startswith(f"`{name}: ") if name else not caption


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_the_effect_can_be_seen(pictures: Any, kind: str, name: str) -> None:
    before, after = pictures.original(), pictures.shown(kind, name)
    assert after.isfinite().all()
    if (kind, name) in WITHOUT_EFFECT:
        assert after.equal(before)
    else:
        assert after.shape[2:] != before.shape[2:] or changed(kind, name, before, after) > FAINT.get(
            (kind, name), VISIBLE
        )
    first, *others = after
    assert (kind, name) in SOME or not any(view.equal(first) for view in others)


def changed(kind: str, name: str, before: Tensor, after: Tensor) -> float:
    """The mean change of values in the view that changed least; or most, where some may stay."""
    views = (after - before).abs().mean((1, 2, 3))
    return float(views.max() if (kind, name) in SOME else views.min())


@pytest.mark.parametrize(("kind", "name"), [("transform", "noise"), ("constraint", "blur")])
def test_pictures_are_the_same_in_every_build(pictures: Any, kind: str, name: str) -> None:
    first = pictures.strip(kind, name).tobytes()
    pictures.shown.cache_clear()
    assert pictures.strip(kind, name).tobytes() == first
