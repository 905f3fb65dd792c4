"""CLIP: the models that OpenAI published, checkpoint files in their format, and a small one that comes with clipig."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl

NAMES = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px")
DEFAULT = "ViT-B/32"


@hookimpl
def clipig_models() -> Mapping[str, str | Entry]:
    named = {name: Entry("clipig_clip.named:named", default=name == DEFAULT) for name in NAMES}
    files = dict.fromkeys((".pt", ".safetensors"), "clipig_clip.checkpoint:checkpoint")
    emoji = Entry("clipig_clip.emoji:emoji", words="clipig_clip.emoji:known_words")
    things = Entry("clipig_clip.emoji:emoji_things", words="clipig_clip.emoji:known_words")
    return {**named, **files, "emoji": emoji, "emoji-things": things}
