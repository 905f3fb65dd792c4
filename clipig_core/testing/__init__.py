"""Contract checks that plugin authors run on their own components::

    from clipig_core.testing import check_transform

    def test_sepia():
        check_transform(sepia)
        check_transform(sepia, amount=0.3)

Parameters are given as plain values. Core's rules for configs hold for them, and the function gets what it would get
from core. Those without a default are needed. Give values with which the component does something to an image of 12x9
pixels: shifts by nothing show no difference between views.

Each check raises `ContractError` for the first promise that is broken, the most basic first, and says what to change.
Where there is a CUDA device, everything is checked on it as well.
"""

from __future__ import annotations

from clipig_core.testing.base import ContractError
from clipig_core.testing.batches import check_constraint, check_loss, check_transform
from clipig_core.testing.canvases import check_canvas
from clipig_core.testing.commands import check_command
from clipig_core.testing.features import check_feature
from clipig_core.testing.functions import check_function
from clipig_core.testing.launchers import check_launcher
from clipig_core.testing.looks import check_look
from clipig_core.testing.models import check_model
from clipig_core.testing.optimizers import check_optimizer
from clipig_core.testing.outputs import check_output
from clipig_core.testing.plugins import check_plugin

__all__ = [
    "ContractError",
    "check_canvas",
    "check_command",
    "check_constraint",
    "check_feature",
    "check_function",
    "check_launcher",
    "check_look",
    "check_loss",
    "check_model",
    "check_optimizer",
    "check_output",
    "check_plugin",
    "check_transform",
]

__tracebackhide__ = True  # pytest then shows the author's line, not those of this package
