"""Ready-made ways of making pictures: configs to start from."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_looks() -> Mapping[str, str | Entry]:
    return {
        "emoji": "clipig_looks:emoji.yaml",
        "object": Entry("clipig_looks:object.yaml", default=True),
        "texture": "clipig_looks:texture.yaml",
    }
