"""What is written beside the picture: other formats, numbered pictures, videos, sheets, logs."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_outputs() -> Mapping[str, str | Entry]:
    return {
        "avif": "clipig_outputs.stills:avif",
        "frames": "clipig_outputs.frames:frames",
        "jpeg": Entry("clipig_outputs.stills:jpeg", aliases=("jpg",)),
        "log": "clipig_outputs.log:log",
        "plot": "clipig_outputs.plot:plot",
        "preview": "clipig_outputs.preview:preview",
        "sheet": "clipig_outputs.sheet:sheet",
        "tensorboard": "clipig_outputs.board:tensorboard",
        "video": "clipig_outputs.video:video",
        "webp": "clipig_outputs.stills:webp",
    }
