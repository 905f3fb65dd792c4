"""Many pictures of one config: sweeps, ratings, and where their jobs run."""

from __future__ import annotations

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_commands() -> Mapping[str, str]:
    return {"rate": "clipig_sweep.rate:rate", "sweep": "clipig_sweep.sweep:sweep"}


@hookimpl
def clipig_launchers() -> Mapping[str, str]:
    return {"local": "clipig_sweep.local:local", "ray": "clipig_sweep.cluster:ray"}
