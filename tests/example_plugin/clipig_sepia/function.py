"""The function `film`."""

from __future__ import annotations


def film(exposure: float, contrast: float = 2.0) -> float:
    """How much silver an exposure from 0 to 1 leaves: slow at both ends, steep between them.

    Raises ValueError if `contrast` is not above 0.

    Example: t, 2
    """
    if contrast <= 0:
        raise ValueError(f"a contrast of {contrast:g} is not above 0")
    exposure = min(1.0, max(0.0, exposure))
    silver: float = exposure**contrast / (exposure**contrast + (1 - exposure) ** contrast)
    return silver
