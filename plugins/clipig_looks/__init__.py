"""Ready-made ways of making pictures: configs to start from."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_looks() -> Mapping[str, str | Entry]:
    return {
        "clip": "clipig_looks:clip.yaml",
        "emoji": "clipig_looks:emoji.yaml",
        "landscape": "clipig_looks:landscape.yaml",
        "object": Entry("clipig_looks:object.yaml", default=True),
        "poster": "clipig_looks:poster.yaml",
        "texture": "clipig_looks:texture.yaml",
    }
