"""What a picture can be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from clipig_core import InputError
from clipig_core.errors import Place
from clipig_core.imaging.images import ImageFile
from clipig_core.language.nodes import Node
from tests.plugins.components import find


class PixelEncoder:
    """Its features are the pixels that it is shown."""

    image_size = 4

    def encode_image(self, images: Tensor) -> Tensor:
        assert images.shape[1:] == (3, 4, 4)
        assert images.min() >= 0
        assert images.max() <= 1
        return images.flatten(1)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([[float(len(text))] for text in texts])


def test_text() -> None:
    assert find("feature", "text").function("four", PixelEncoder()).tolist() == [4]


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_text_says_nothing(blank: str) -> None:
    with pytest.raises(ValueError, match="the text is empty"):
        find("feature", "text").function(blank, PixelEncoder())


def test_image_is_squeezed_into_the_square(tmp_path: Path) -> None:
    """The left half stays the left half, however wide the image is."""
    picture = Image.new("RGB", (80, 8), "black")
    picture.paste("red", (0, 0, 40, 8))
    picture.save(tmp_path / "wide.png")
    feature = find("feature", "image").function(ImageFile(tmp_path / "wide.png"), PixelEncoder())
    assert feature.shape == (48,)
    red, green, blue = feature.view(3, 4, 4)
    assert torch.allclose(red, torch.tensor([1.0, 1, 0, 0]).expand(4, 4), atol=0.1)
    assert not green.any()
    assert not blue.any()


def test_image_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(InputError, match="not an image"):
        find("feature", "image").function(ImageFile(tmp_path / "text.png"), PixelEncoder())


def test_image_is_found_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "here.png").touch()
    value = find("feature", "image").params["value"]
    place = Place(str(tmp_path / "config.yaml"))
    assert value.convert(Node.of("here.png", place)).items == (str(tmp_path / "here.png"),)
    with pytest.raises(InputError, match=r"gone\.png"):
        value.convert(Node.of("gone.png", place))
