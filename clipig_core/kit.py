"""What plugins compute with: tensors that are views of a picture, resampling, penalties, and the protocols of core.

Together with `clipig_core` and `clipig_core.testing` this is the whole face of clipig for plugins. What lies deeper may
move; what is here stays, by the rule of the page on stability.
"""

from clipig_core.downloads import FetchError, fetch
from clipig_core.embedded import exif
from clipig_core.engine.canvas import Canvas
from clipig_core.engine.device import numbers
from clipig_core.engine.encoder import Encoder, fit
from clipig_core.imaging.clamp import clamp_through
from clipig_core.imaging.images import read_image, to_image, to_png
from clipig_core.imaging.resample import Banded, banded, product, resample
from clipig_core.imaging.views import Axis, Pixels, Views, lazy
from clipig_core.penalty import Above, Below, Loss, beyond, difference
from clipig_core.runner.background import Background, Rhythm
from clipig_core.runner.files import save
from clipig_core.runner.provenance import provenance

__all__ = [
    "Above",
    "Axis",
    "Background",
    "Banded",
    "Below",
    "Canvas",
    "Encoder",
    "FetchError",
    "Loss",
    "Pixels",
    "Rhythm",
    "Views",
    "banded",
    "beyond",
    "clamp_through",
    "difference",
    "exif",
    "fetch",
    "fit",
    "lazy",
    "numbers",
    "product",
    "provenance",
    "read_image",
    "resample",
    "save",
    "to_image",
    "to_png",
]
