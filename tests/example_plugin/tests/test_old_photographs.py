"""What clipig expects of the other components, and what each of them is for."""

import math

import pytest
import torch
from clipig_core.testing import (
    check_canvas,
    check_constraint,
    check_feature,
    check_loss,
    check_model,
    check_optimizer,
    check_transform,
)
from torch import Tensor

from clipig_sepia.canvas import density
from clipig_sepia.constraint import keep_sepia
from clipig_sepia.fade import PAPER, random_fade
from clipig_sepia.feature import double_exposure
from clipig_sepia.loss import angle
from clipig_sepia.model import old_film
from clipig_sepia.optimizer import lion
from clipig_sepia.sepia import sepia

CPU = torch.device("cpu")


def plain(*color: float) -> Tensor:
    """[1, 3, 8, 8] of one colour."""
    return torch.tensor(color).float()[:, None, None].expand(1, 3, 8, 8)


def test_random_fade() -> None:
    check_transform(random_fade)
    rng = torch.Generator().manual_seed(1)
    faded = random_fade(plain(0, 0, 0).expand(9, -1, -1, -1), 0.5, rng=rng)
    assert len(faded.unique(dim=0)) == 9
    assert (faded <= 0.5 * plain(*PAPER)).all()


def test_sepia_as_constraint() -> None:
    check_constraint(keep_sepia)
    check_constraint(keep_sepia, loss="l1")
    blue = plain(0, 0, 1)
    assert keep_sepia(blue) > 1
    assert keep_sepia(sepia(blue)) < 1e-9


def test_angle() -> None:
    check_loss(angle)
    features = torch.eye(3)
    assert angle(features, features[0]).tolist() == pytest.approx([0, math.pi / 2, math.pi / 2])
    assert angle(-features[:1], features[0]).item() == pytest.approx(math.pi)


def test_double_exposure() -> None:
    check_feature(double_exposure, "strawberry, lemon")
    encoder = old_film("old_film", CPU, torch.float32)
    one, other = encoder.encode_text(["strawberry", "lemon"])
    both = double_exposure("strawberry, lemon", encoder)
    assert torch.cosine_similarity(both, one, dim=0).item() == pytest.approx(
        torch.cosine_similarity(both, other, dim=0).item(), abs=1e-5
    )
    with pytest.raises(ValueError, match="one text"):
        double_exposure("strawberry", encoder)


def test_lion() -> None:
    check_optimizer(lion)
    check_optimizer(lion, betas=(0.5, 0.9))
    pixels = torch.nn.Parameter(torch.zeros(3))
    pixels.grad = torch.tensor([1e-6, -5.0, 0.0])
    lion([pixels]).step()
    assert pixels.tolist() == pytest.approx([-0.01, 0.01, 0])


def test_density() -> None:
    check_canvas(density)
    check_canvas(density, black=1)
    canvas = density(8, 8, CPU)
    canvas.write(plain(0, 0.1, 1))
    (densities,) = canvas.parameters()
    assert densities[0, :, 0, 0].tolist() == pytest.approx([2, 1, 0], abs=1e-6)


def test_old_film() -> None:
    check_model(old_film, "old_film")
    encoder = old_film("old_film", CPU, torch.float32)
    red, black, blue = encoder.encode_image(
        torch.cat([plain(1, 0, 0), plain(0, 0, 0), plain(0, 0, 1)]).repeat(1, 1, 8, 8)
    )
    assert (red - black).norm() < (blue - black).norm()
