"""The command `toned`."""

from __future__ import annotations

import click


@click.command()
@click.argument("color", nargs=3, type=click.FloatRange(0, 1), metavar="RED GREEN BLUE")
@click.option("--amount", type=click.FloatRange(0, 1), default=1.0, help="0 leaves the colour as it is.")
def toned(color: tuple[float, float, float], amount: float) -> None:
    """Print what the colour RED GREEN BLUE becomes in sepia, each of them from 0 to 1."""
    import torch

    from clipig_sepia.sepia import sepia

    brown = sepia(torch.tensor(color)[None, :, None, None], amount).flatten().tolist()
    click.echo(" ".join(f"{value:.3f}" for value in brown))
