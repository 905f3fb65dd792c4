"""Filters that mix neighbouring pixels, and what happens at the edges of the image."""

from collections.abc import Mapping

from clipig_core import Entry, hookimpl


@hookimpl
def clipig_transforms() -> Mapping[str, str]:
    return {
        "blur": "clipig_filters.blur:blur",
        "border": "clipig_filters.border:border",
        "edge": "clipig_filters.edge:edge",
        "mask": "clipig_filters.mask:mask",
        "periodic": "clipig_filters.periodic:periodic",
        "smooth": "clipig_filters.smooth:smooth",
        "unsharp": "clipig_filters.unsharp:unsharp",
    }


@hookimpl
def clipig_constraints() -> Mapping[str, str | Entry]:
    return {
        "blur": Entry("clipig_filters.blur:keep_blurred", excess="soft"),
        "border": "clipig_filters.border:keep_border",
        "edge_mean": "clipig_filters.edge:limit_edge_mean",
        "rim": "clipig_filters.rim:keep_rim_smooth",
        "symmetry": "clipig_filters.symmetry:keep_symmetric",
        "variation": Entry("clipig_filters.variation:limit_variation", excess="flat"),
    }
