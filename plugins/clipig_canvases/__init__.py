"""What is trained, and how it becomes a picture."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_canvases() -> Mapping[str, str | Entry]:
    return {
        "fourier": "clipig_canvases.fourier:fourier",
        "natural": "clipig_canvases.pyramid:natural",
        "pyramid": "clipig_canvases.pyramid:pyramid",
        "rgb": Entry("clipig_canvases.rgb:rgb", default=True),
    }
