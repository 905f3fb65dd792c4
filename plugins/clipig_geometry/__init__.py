"""Where pixels are: crops, sizes, shifts, rotations."""

from collections.abc import Mapping

from clipig_core import hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {
        "center_crop": "clipig_geometry.crop:center_crop",
        "crop": "clipig_geometry.crop:crop",
        "cutouts": "clipig_geometry.look:cutouts",
        "pad": "clipig_geometry.pad:pad",
        "random_crop": "clipig_geometry.crop:random_crop",
        "random_flip": "clipig_geometry.look:random_flip",
        "random_look": "clipig_geometry.look:random_look",
        "random_rotate": "clipig_geometry.rotate:random_rotate",
        "random_scale": "clipig_geometry.scale:random_scale",
        "random_shift": "clipig_geometry.shift:random_shift",
        "random_translate": "clipig_geometry.translate:random_translate",
        "repeat": "clipig_geometry.pad:repeat",
        "resize": "clipig_geometry.resize:resize",
        "rotate": "clipig_geometry.rotate:rotate",
        "shift": "clipig_geometry.shift:shift",
    }
