"""Image classifiers that were trained on photographs: they know a thousand things as these look in the world."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_models() -> Mapping[str, Entry]:
    entry = Entry("clipig_photo.model:photo", words="clipig_photo.words:known_words")
    return dict.fromkeys(("photo", "photo-lite0", "photo-lite1", "photo-lite2"), entry)
