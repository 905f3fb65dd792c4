"""Image classifiers that were trained on photographs: they know a thousand things as these look in the world."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_models() -> Mapping[str, str]:
    return dict.fromkeys(("photo", "photo-lite0", "photo-lite1", "photo-lite2"), "clipig_photo.model:photo")
