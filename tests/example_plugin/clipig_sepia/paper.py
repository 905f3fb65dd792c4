"""The paper `baryta`."""

from __future__ import annotations

from typing import Annotated

from clipig_core import Floats3, Param


def baryta(age: Annotated[float, Param("Years in which the paper has become yellow.", min=0)] = 0.0) -> Floats3:
    """Fibre with a layer of baryta: white at first, then yellow.

    Example: 60
    """
    return 0.98, 0.98 - min(0.1, age / 1000), 0.96 - min(0.3, age / 300)
