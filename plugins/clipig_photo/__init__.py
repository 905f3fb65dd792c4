"""Image classifiers that were trained on photographs: they know a thousand things as these look in the world."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_models() -> Mapping[str, Entry]:
    entry = Entry("clipig_photo.model:photo", words="clipig_photo.words:known_words")
    whole = ("photo", "photo-lite0", "photo-lite1", "photo-lite2")
    return dict.fromkeys((*whole, "photo-robust", "photo-robust0", "photo-robust1"), entry)
