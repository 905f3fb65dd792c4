"""What the weights of a CLIP model do not say about it, although it decides what they compute.

Models of OpenAI's and of open_clip have the same names and shapes of weights. OpenAI's were trained with QuickGELU and
heads of 64 channels, most of open_clip's with GELU, and some with wider heads. With the wrong ones a model runs, and
sees something else than it was trained to see; so this is read, or asked for, and never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clipig_core import InputError

Activation = Literal["auto", "gelu", "quickgelu"]
Three = tuple[float, float, float]

CONFIG = "open_clip_config.json"
"""The file that open_clip puts beside its weights."""

OPENAI = frozenset(("input_resolution", "context_length", "vocab_size"))
"""Names of numbers that OpenAI's own files have beside the weights, and no others."""

WIDEST = 1024
"""Of the image towers of OpenAI's models. Wider ones have wider heads."""

_KNOWN = {
    "vision_cfg": {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"},
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"},
}


@dataclass(frozen=True)
class Traits:
    """How a model computes. `heads` are those of the image tower, None for one for each 64 channels; as `text_heads`.

    `mean` and `std` are those of the pixels that it was trained with.
    """

    quick: bool = True
    heads: int | None = None
    text_heads: int | None = None
    mean: Three = (0.48145466, 0.4578275, 0.40821073)
    std: Three = (0.26862954, 0.26130258, 0.27577711)


def find_traits(
    path: Path, state: Mapping[str, Any], metadata: Mapping[str, str], activation: Activation, heads: int
) -> Traits:
    """Those of a checkpoint: as the user says, as the file or the config beside it says, or as OpenAI's files are.

    Raises:
        InputError: nobody says it, or it is a model that clipig cannot compute.
    """
    if activation == "auto":
        activation = _named(metadata.get("activation", "auto"))
    heads = heads or int(metadata.get("heads", 0))
    if activation == "auto" and state.keys() >= OPENAI:
        return Traits(heads=heads or None)
    beside = path.parent / CONFIG
    if activation == "auto" and beside.is_file():
        return _of_open_clip(beside)
    if "text_projection" not in state:
        return Traits()  # it is no CLIP model at all, which who builds it finds out
    how = f"'model: {{{path.name}: {{activation: quickgelu}}}}'"
    if activation == "auto":
        raise InputError(
            f"'{path}' does not say with which activation it was trained, and with another it sees something else; "
            f"write {how} for a model of OpenAI's or made from one, 'gelu' for most others of open_clip's, or put its "
            f"'{CONFIG}' beside it"
        )
    first = state.get("visual.conv1.weight")
    if not heads and "visual.proj" in state and getattr(first, "shape", [0])[0] > WIDEST:
        raise InputError(f"'{path}' does not say how many heads it has; write 'heads: ...' beside 'activation'")
    return Traits(activation == "quickgelu", heads or None)


def _named(text: str) -> Activation:
    return "gelu" if text == "gelu" else "quickgelu" if text == "quickgelu" else "auto"


def _of_open_clip(path: Path) -> Traits:
    """What a config of open_clip's says.

    Raises:
        InputError: it cannot be read, or is that of a model of another kind.
    """
    try:
        with path.open("rb") as file:
            config = json.loads(file.read(1_000_000))
        model, pixels = config["model_cfg"], config.get("preprocess_cfg", {})
        for part, known in _KNOWN.items():
            foreign = [name for name, value in model[part].items() if name not in known and value]
            if foreign:
                raise InputError(f"'{path}': a model with '{foreign[0]}' is none that clipig can compute")
        vision, text = model["vision_cfg"], model["text_cfg"]
        width, head_width = vision["width"], vision.get("head_width", 64)
        plain = Traits()
        return Traits(
            bool(model.get("quick_gelu", False)),
            int(width) // int(head_width) if isinstance(vision["layers"], int) else None,
            int(text.get("heads", 8)),
            _three(pixels.get("mean", plain.mean)),
            _three(pixels.get("std", plain.std)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, RecursionError) as error:
        raise InputError(f"cannot read '{path}': {type(error).__name__}: {error}") from None


def _three(values: Any) -> Three:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
