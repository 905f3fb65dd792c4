"""Colours of pixels: arithmetic on channels, and their statistics."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {
        "add": "clipig_color.arithmetic:add",
        "clamp": "clipig_color.arithmetic:clamp",
        "contrast": "clipig_color.contrast:contrast",
        "jitter": "clipig_color.jitter:jitter",
        "less_purple": "clipig_color.finish:less_purple",
        "less_tint": "clipig_color.finish:less_tint",
        "mean": "clipig_color.mean:mean",
        "mul": "clipig_color.arithmetic:mul",
        "quantize": "clipig_color.arithmetic:quantize",
        "saturation": "clipig_color.saturation:saturation",
        "stretch": "clipig_color.finish:stretch",
        "white_balance": "clipig_color.finish:white_balance",
    }


@hookimpl
def clipig_constraints() -> Mapping[str, str | Entry]:
    return {
        "chroma": Entry("clipig_color.chroma:limit_chroma", excess="pale"),
        "color": "clipig_color.color:keep_color",
        "contrast": "clipig_color.contrast:limit_contrast",
        "mean": "clipig_color.mean:limit_mean",
        "normalize": "clipig_color.normalize:keep_normalized",
        "range": "clipig_color.range:keep_in_range",
        "saturation": "clipig_color.saturation:limit_saturation",
        "std": "clipig_color.std:limit_std",
    }
