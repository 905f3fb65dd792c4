"""Runs that can be gone on with."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_outputs() -> Mapping[str, str]:
    return {"checkpoint": "clipig_checkpoint.output:checkpoint"}


@hookimpl
def clipig_commands() -> Mapping[str, str]:
    return {"resume": "clipig_checkpoint.resume:resume"}
