"""What clipig expects of this plugin, and what users expect of `sepia`."""

import torch
from clipig_core.testing import check_plugin, check_transform

from clipig_sepia.sepia import sepia

RED = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(1, 3, 4, 4)


def test_plugin() -> None:
    check_plugin("clipig_sepia")


def test_contract() -> None:
    check_transform(sepia)
    check_transform(sepia, amount=0.3)


def test_red_becomes_brown() -> None:
    assert torch.equal(sepia(RED, 0.0), RED)
    assert torch.allclose(sepia(RED, 1.0)[0, :, 0, 0], torch.tensor([1.3, 1.0, 0.7]) / 3)
