"""What a picture can be compared with."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_features() -> Mapping[str, str]:
    return {"image": "clipig_features.image:image", "text": "clipig_features.text:text"}
