"""The CLIP models that OpenAI published, and checkpoint files in their format."""

from collections.abc import Mapping

from clipig_core import hookimpl

NAMES = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px")


@hookimpl
def clipig_models() -> Mapping[str, str]:
    named = dict.fromkeys(NAMES, "clipig_openai.named:named")
    return named | dict.fromkeys((".pt", ".safetensors"), "clipig_openai.checkpoint:checkpoint")
