"""Many pictures of one config: sweeps, ratings, and where their jobs run."""

from __future__ import annotations

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_commands() -> Mapping[str, str | Entry]:
    return {
        "rate": "clipig_sweep.rate:rate",
        "sweep": Entry("clipig_sweep.sweep:sweep", section="clipig_sweep.section:Sweep"),
    }


@hookimpl
def clipig_launchers() -> Mapping[str, str]:
    return {"local": "clipig_sweep.local:local", "ray": "clipig_sweep.cluster:ray"}
