"""What clipig expects of this plugin, and what users expect of `sepia`."""

import torch
from clipig_core.testing import check_plugin, check_transform

from clipig_sepia.sepia import sepia


def test_plugin() -> None:
    check_plugin("clipig_sepia")


def test_contract() -> None:
    check_transform(sepia)
    check_transform(sepia, amount=0.3)


def test_red_becomes_brown() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(1, 3, 4, 4)
    assert torch.equal(sepia(red, 0.0), red)
    brown = sepia(red, 1.0)[0, :, 0, 0]
    assert brown[0] > brown[1] > brown[2] > 0
