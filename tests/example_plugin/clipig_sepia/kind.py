"""A kind of components of this plugin's own: the papers that `proof` prints on."""

from __future__ import annotations

from clipig_core.extension.kinds import Kind, Stands

PAPER = Kind(
    name="paper",
    plural="papers",
    doc="""`paper(**params) -> (red, green, blue)`: the colour of paper that has seen no light.

    Each of the three is in [0, 1].
    """,
    stands=Stands.RUN_CHOICE,
    meaning="What proofs are printed on.",
)
