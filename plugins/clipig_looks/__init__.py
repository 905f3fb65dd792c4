"""Ready-made ways of making pictures: configs to start from."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_looks() -> Mapping[str, str]:
    return {"object": "clipig_looks:object.yaml"}
